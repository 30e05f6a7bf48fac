"""The application's frames above a statement that is in flight.

Owns the choice among stacks: the one that holds the client's socket, innermost; where a
driver hides it in C, the one that could be nothing else.
"""

from collections.abc import Iterable
from types import FrameType
from typing import Final

from pinwatch.testing.origin import sockets
from pinwatch.testing.origin.frame import Frame, application, is_application
from pinwatch.testing.origin.stacks import Stack, above, stacks

SHORTEST: Final = 4
"""Characters of a text that say which statement it is."""


def origin(address: str, sql: str) -> tuple[Frame, ...]:
    """Of the client at address, host:port, that sent sql; outermost first.

    Called by another thread while the client waits. Empty where it is not in this
    process, or cannot be told from others.
    """
    found = list(stacks())
    stack = _holding(found, address) or _hidden(found, address, sql)
    while stack is not None:
        frames = tuple(application(stack.frames))
        if frames:
            return frames
        stack = above(stack, found)
    return ()


def _holding(found: list[Stack], address: str) -> Stack | None:
    """The stack whose innermost frames hold the socket; those in a driver first."""
    ranked = [
        (not sockets.of_a_driver(stack.frames[-1]), depth, -number, stack)
        for number, stack in enumerate(found)
        if (depth := _depth(stack, address)) is not None
    ]
    return min(ranked, key=lambda one: one[:3])[3] if ranked else None


def _depth(stack: Stack, address: str) -> int | None:
    """How many frames are below the innermost one that holds the socket."""
    for depth, frame in enumerate(reversed(stack.frames)):
        if sockets.holds(frame, address):
            return depth
    return None


def _hidden(found: list[Stack], address: str, sql: str) -> Stack | None:
    """The only thread in a call of C code, or the only one that has the text."""
    if not sockets.ours(address):
        return None
    calling = [stack for stack in found if stack.task is None and _calls(stack)]
    naming = [stack for stack in calling if _names(stack.frames, sql)]
    possible = naming or calling
    return possible[0] if len(possible) == 1 else None


def _calls(stack: Stack) -> bool:
    """Whether a thread is in a call that is not the standard library's own."""
    frame = stack.frames[-1]
    file = frame.f_code.co_filename
    return is_application(file) or sockets.of_a_driver(frame)


def _names(frames: Iterable[FrameType], sql: str) -> bool:
    return any(_has(frame, sql) for frame in frames)


def _has(frame: FrameType, sql: str) -> bool:
    texts = (*frame.f_code.co_consts, *frame.f_locals.values())
    return any(
        text.strip() == sql.strip()
        for text in texts
        if isinstance(text, str) and len(text) >= SHORTEST
    )
