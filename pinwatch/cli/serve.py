"""A proxy, its log and its HTTP side: started in order, served, stopped in reverse."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from pinwatch.cli.reloading import Reloading, level
from pinwatch.cli.stopping import STOP_SIGNALS, stop_signals
from pinwatch.config.model import Address, Settings
from pinwatch.config.target import Target
from pinwatch.metrics.exporter import metrics_route
from pinwatch.metrics.tally import Tally
from pinwatch.observers.event_log import EventLog
from pinwatch.observers.log import Log
from pinwatch.observers.pin_history import History
from pinwatch.proxy.proxy import Proxy
from pinwatch.sockets.loop import running as running_loop
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.guard import Guard
from pinwatch.web.server import serving
from pinwatch.web.stream import Feed

STOPPED_AT_ONCE: Final = 130  # what a shell gives a command that Ctrl-C ended


async def serve(
    settings: Settings,
    target: Target,
    read: Callable[[], Settings],
    event_log: EventLog | None,
    greet: Callable[[Target, Proxy, Address | None], None],
) -> int:
    """Until a signal; a second one ends the grace that transactions get."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    with stop_signals(signal.SIG_UNBLOCK), suppress(asyncio.CancelledError):
        async with AsyncExitStack() as running:
            clock = running_loop().clock
            tally, history = Tally(clock), History(clock)
            if event_log is not None:
                history.listeners.append(event_log)
            written = Log(sys.stderr, level(settings))
            proxy = Proxy(settings, target, (written, tally, history))
            await proxy.start()
            running.push_async_callback(proxy.stop)

            reload = Reloading(read, proxy, written)
            loop.add_signal_handler(signal.SIGHUP, reload.on_signal)
            http = settings.http
            if http is not None:
                answering = _answering(proxy, tally, history, reload, http)
                http = await running.enter_async_context(answering)
            greet(target, proxy, http)
            await loop.create_future()
    return STOPPED_AT_ONCE if task.cancelling() > 1 else 0


@asynccontextmanager
async def _answering(
    proxy: Proxy, tally: Tally, history: History, reload: Reloading, listen: Address
) -> AsyncIterator[Address]:
    """The HTTP side; gives where it listens."""
    feed = Feed(history)
    more = metrics_route(proxy, tally), *control_routes(proxy, reload)
    answers = app(proxy, history, feed, *more)
    guarded = Guard(answers, listen, proxy.settings.http_token)
    async with serving(guarded, listen) as address:
        try:
            yield address
        finally:
            feed.close()
