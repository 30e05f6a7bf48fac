"""The event loop that streams run on: asyncio's own, with a poller that serves them."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple, cast

from pinwatch.clock import Clock
from pinwatch.sockets.poller import Poller
from pinwatch.sockets.polls import system_poll

Arguments = TypeVarTuple("Arguments")


class Loop(asyncio.SelectorEventLoop):
    """asyncio's, and faster for streams; clock tells when its round began."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.poller = Poller(self.clock, system_poll())
        super().__init__(cast("Any", self.poller))

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
    """The running loop, which has to be one of these."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        raise RuntimeError(
            "A proxy runs on a pinwatch.sockets.loop.Loop, for example by "
            "asyncio.Runner(loop_factory=Loop)."
        )
    return loop
