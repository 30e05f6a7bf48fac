"""Blocking calls in threads that do not keep the process from ending."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Return what call returns, or raise its exception.

    It runs in a daemon thread. asyncio's executor would make a process that stops wait
    for the call: for silent name servers, or for a pipe without a writer.
    """
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer.set_result(call())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="pinwatch-call", daemon=True).start()
    return await asyncio.wrap_future(answer)
