"""Helpers for asyncio that the modules of a target share: tasks, futures, retries."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Final

from pinwatch.errors import ClientError

MIN_RETRY_INTERVAL: Final = 0.1  # real seconds; doubled at each failure
MAX_RETRY_INTERVAL: Final = 5.0  # real seconds
MAX_DOUBLINGS: Final = 10  # enough to exceed MAX_RETRY_INTERVAL


class Tasks:
    """Background tasks, referenced until they are done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def __bool__(self) -> bool:
        """Return True while a task runs."""
        return bool(self._running)

    async def done(self) -> None:
        """Wait until no task runs."""
        while self._running:
            await asyncio.wait(self._running)

    async def end(self) -> None:
        """Cancel all tasks and wait for their end."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def settle(future: asyncio.Future[Any] | None, outcome: object) -> None:
    """Set the result of a pending future, or its exception if it is a ClientError."""
    if future is None or future.done():
        return
    if isinstance(outcome, ClientError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def backoff(failures: int) -> float:
    """Return the real seconds until a retry: doubled at each failure, up to a limit."""
    doubled: float = MIN_RETRY_INTERVAL * 2 ** min(failures, MAX_DOUBLINGS)
    return min(doubled, MAX_RETRY_INTERVAL)


def jittered(seconds: float) -> float:
    """Return a random duration between half of seconds and seconds.

    It keeps the retries of several proxies from coinciding.
    """
    return seconds * random.uniform(0.5, 1)
