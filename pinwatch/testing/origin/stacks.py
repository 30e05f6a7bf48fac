"""The stacks of this process: those of its threads, and of the tasks of their loops.

A task that waits is on no thread's stack: its frames are the chain of coroutines from
the task's own to what is awaited in the end, with the frames of a greenlet between
where synchronous code awaits through one, as SQLAlchemy's does.
"""

import asyncio
import gc
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from time import sleep
from types import (
    BuiltinMethodType,
    CellType,
    FrameType,
    FunctionType,
    MethodType,
)
from typing import Any, Final

LOOPS: Final = (asyncio.AbstractEventLoop, asyncio.Runner)
METHODS: Final = (MethodType, BuiltinMethodType)
GENERATORS: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
MAX_POLLS: Final = 40
POLL_INTERVAL: Final = 0.0005  # seconds
MAX_OBJECTS: Final = 500
"""Objects that are visited on the way from a future to the task that awaits it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames, outermost first, at least one; ``task`` is None for a thread."""

    frames: tuple[FrameType, ...]
    task: "asyncio.Task[Any] | None" = None


def stacks() -> Iterator[Stack]:
    """Yield all stacks but the calling thread's; tasks follow the thread of their loop.

    A task that still runs, because it sent a statement and does not wait yet, has no
    chain of frames: it gets a moment to suspend.
    """
    for _ in range(MAX_POLLS):
        threads = [(frames, _loops(frames)) for frames in _threads()]
        loops = set().union(*(loops for _, loops in threads))
        if not any(map(asyncio.current_task, loops)):
            break
        sleep(POLL_INTERVAL)
    for frames, loops in threads:
        yield Stack(frames)
        for loop in loops:
            yield from _waiting(loop)


def above(stack: Stack, among: Iterable[Stack]) -> Stack | None:
    """Return the task that waits for this one or for this thread's present work."""
    if stack.task is not None:
        beginnings: list[object] = [stack.task]
    else:
        beginnings = [*_work(stack.frames)]
    waiting = _awaiter(beginnings)
    return next((one for one in among if waiting and one.task is waiting), None)


# Threads.


def _threads() -> list[tuple[FrameType, ...]]:
    """Return the frames of all threads but the calling one.

    It retries if a generator yielded meanwhile, whose frame then has no caller.
    """
    here = threading.get_ident()
    found: list[tuple[FrameType, ...]] = []
    for _ in range(MAX_POLLS):
        frames = sys._current_frames()
        found = [outermost_first(frames[one]) for one in frames if one != here]
        if not any(_of_a_generator(thread[0]) for thread in found):
            break
    return found


def _of_a_generator(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & GENERATORS)


def outermost_first(innermost: FrameType | None) -> tuple[FrameType, ...]:
    frames = []
    while innermost is not None:
        frames.append(innermost)
        innermost = innermost.f_back
    return tuple(frames[::-1])


def _loops(frames: Iterable[FrameType]) -> set[asyncio.AbstractEventLoop]:
    """Return the loops that a thread runs; a loop written in C has no frame itself."""
    loops = set()
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if not isinstance(value, LOOPS):
                continue
            if isinstance(value, asyncio.Runner):
                value = getattr(value, "_loop", None)
            if isinstance(value, asyncio.AbstractEventLoop) and not value.is_closed():
                loops.add(value)
    return loops


def _work(frames: Iterable[FrameType]) -> Iterator[object]:
    """Yield the futures of an executor thread's present work."""
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if isinstance(value, futures.Future | asyncio.Future):
                yield value
            elif type(value).__name__ == "_WorkItem":
                yield value.future


# Tasks.


def _waiting(loop: asyncio.AbstractEventLoop) -> Iterator[Stack]:
    for task in asyncio.all_tasks(loop):
        frames = tuple(_chain(task.get_coro()))
        if frames:
            yield Stack(frames, task)


def _chain(awaited: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of everything that it awaits."""
    while awaited is not None:
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if isinstance(frame, FrameType):
            yield frame
            yield from _greenlet(frame)
        awaited = _next(awaited)


def _next(awaited: object) -> object | None:
    found = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    if found is not None or isinstance(awaited, asyncio.Future):
        return found
    if _first(awaited, "cr_code", "gi_code", "ag_code") is not None:
        return None
    # C wrappers of __await__ and of an asynchronous generator's steps.
    inner = gc.get_referents(awaited)
    return next((one for one in inner if hasattr(one, "cr_await")), None) or next(
        (one for one in inner if hasattr(one, "ag_await")), None
    )


def _first(value: object, *names: str) -> object | None:
    return next(
        (found for name in names if (found := getattr(value, name, None)) is not None),
        None,
    )


def _greenlet(frame: FrameType) -> tuple[FrameType, ...]:
    """Return the frames of the greenlet that a frame waits for."""
    known = sys.modules.get("greenlet")
    if known is None:
        return ()
    for value in list(frame.f_locals.values()):
        if isinstance(value, known.greenlet) and value.gr_frame is not None:
            return outermost_first(value.gr_frame)
    return ()


# Waiting tasks.


def _awaiter(beginnings: list[object]) -> "asyncio.Task[Any] | None":
    """Return the task that resumes when one of the objects is done.

    The search follows callbacks and skips other tasks that these refer to, as those of
    gather do.
    """
    seen = {id(one) for one in beginnings}
    queue = list(beginnings)
    for one in queue:
        woken = _woken(one)
        if woken is not None and id(woken) not in seen:
            return woken
        for following in _following(one):
            if id(following) not in seen and not isinstance(following, asyncio.Task):
                seen.add(id(following))
                queue.append(following)
        if len(queue) > MAX_OBJECTS:
            break
    return None


def _woken(one: object) -> "asyncio.Task[Any] | None":
    """Return the task that a callback wakes up, or the parent task of a TaskGroup."""
    if isinstance(one, asyncio.TaskGroup):
        task = getattr(one, "_parent_task", None)
    else:
        task = getattr(one, "__self__", None) if isinstance(one, METHODS) else None
    return task if isinstance(task, asyncio.Task) else None


def _following(one: object) -> Iterable[object]:
    """Return the objects that a future or one of its callbacks refers to."""
    match one:
        case FunctionType():
            return one.__closure__ or ()
        case CellType():
            return [one.cell_contents] if _filled(one) else []
        case MethodType() | BuiltinMethodType():
            return [one.__self__]
        case partial():
            return [one.func, *one.args, *one.keywords.values()]
        case list() | tuple() | set() | deque():
            return [*one]
        case futures.Future():
            return [getattr(one, "_done_callbacks", ())]
        case asyncio.Future():
            return [
                inner
                for inner in gc.get_referents(one)
                if not isinstance(inner, asyncio.AbstractEventLoop | BaseException)
            ]
        case asyncio.Queue() | asyncio.Event():
            return list(vars(one).values())
        case _:
            return ()


def _filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
