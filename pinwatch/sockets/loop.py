"""The event loop of a proxy: asyncio's own, with a poller that serves streams."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

from pinwatch.clock import Clock
from pinwatch.sockets.poller import Poller
from pinwatch.sockets.polls import system_poll
from pinwatch.sockets.selector import Selector

Arguments = TypeVarTuple("Arguments")


class Loop(asyncio.SelectorEventLoop):
    """asyncio's selector event loop; its poller serves streams in rounds.

    ``clock`` holds the time at which the current round began.
    """

    def __init__(self) -> None:
        poll = system_poll()
        self.clock = Clock()
        self.poller = Poller(self.clock, poll)
        super().__init__(Selector(poll, self.poller))

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.poller.interrupted = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.poller.interrupted = True
        return super().call_at(when, callback, *args, context=context)


def running() -> Loop:
    """Return the running loop. Raises RuntimeError if it is not a Loop."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        raise RuntimeError(
            "pinwatch needs its own event loop. Run the proxy on a "
            "pinwatch.sockets.loop.Loop, for example by "
            "asyncio.Runner(loop_factory=Loop)."
        )
    return loop
