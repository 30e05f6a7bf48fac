"""The application's frames above a running statement.

Owns the choice of the stack: the one with the client's socket in its innermost frames,
or, if the driver keeps the socket in C, the only possible one.
"""

from collections.abc import Iterable
from types import FrameType
from typing import Final

from pinwatch.testing.origin import sockets
from pinwatch.testing.origin.blocking import blocked
from pinwatch.testing.origin.frame import Frame, application, is_application
from pinwatch.testing.origin.stacks import Stack, above, outermost_first, stacks

SHORTEST: Final = 4
"""Least length of a text, in characters, that identifies a statement."""


def origin(address: str, sql: str) -> tuple[Frame, ...]:
    """Return the frames of the client at address (host:port) that sent sql.

    They are ordered outermost first. Another thread calls this while the client waits.
    The result is empty if the client is not in this process or is ambiguous.
    """
    holder = blocked(address)
    called = () if holder is None else tuple(application(outermost_first(holder)))
    return called or _searched(address, sql)


def _searched(address: str, sql: str) -> tuple[Frame, ...]:
    """Return the frames by a search in all stacks."""
    found = list(stacks())
    stack = _holding(found, address) or _hidden(found, address, sql)
    while stack is not None:
        frames = tuple(application(stack.frames))
        if frames:
            return frames
        stack = above(stack, found)
    return ()


def _holding(found: list[Stack], address: str) -> Stack | None:
    """Return the stack with the socket in its innermost frames, drivers first."""
    drivers = [one for one in found if sockets.of_a_driver(one.frames[-1])]
    others = [one for one in found if one not in drivers]
    return _nearest(drivers, address) or _nearest(others, address)


def _nearest(found: list[Stack], address: str) -> Stack | None:
    """Return the stack with the fewest frames below the socket, the last of equals."""
    ranked = [
        (depth, -number, stack)
        for number, stack in enumerate(found)
        if (depth := _depth(stack, address)) is not None
    ]
    return min(ranked, key=lambda one: one[:2])[2] if ranked else None


def _depth(stack: Stack, address: str) -> int | None:
    """Return the number of frames below the innermost one with the socket."""
    for depth, frame in enumerate(reversed(stack.frames)):
        if sockets.holds(frame, address):
            return depth
    return None


def _hidden(found: list[Stack], address: str, sql: str) -> Stack | None:
    """Return the only thread in a call of C code, or the only one with the text."""
    if not sockets.ours(address):
        return None
    calling = [stack for stack in found if stack.task is None and _calls(stack)]
    naming = [stack for stack in calling if _names(stack.frames, sql)]
    possible = naming or calling
    return possible[0] if len(possible) == 1 else None


def _calls(stack: Stack) -> bool:
    """Return whether a thread is in a call of the application or a driver."""
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
