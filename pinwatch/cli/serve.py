"""Start a proxy, its log and its HTTP side, serve, and stop them in reverse order."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Final

from pinwatch.cli.reloading import Reloading, level
from pinwatch.config.model import Address, Settings
from pinwatch.config.target import Target
from pinwatch.embedded import EmbeddedTarget
from pinwatch.errors import TargetError
from pinwatch.metrics.exporter import metrics_route
from pinwatch.metrics.tally import Tally
from pinwatch.observers.event_log import EventLog
from pinwatch.observers.leak_history import Leaks
from pinwatch.observers.log import Log
from pinwatch.observers.pin_history import History
from pinwatch.observers.timeline import Timeline
from pinwatch.proxy.proxy import Proxy
from pinwatch.sockets.loop import running as running_loop
from pinwatch.targets.tasks import Tasks
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.guard import Guard
from pinwatch.web.history import history_route
from pinwatch.web.leaks import leaks_route
from pinwatch.web.proxy import proxy_route
from pinwatch.web.server import serving
from pinwatch.web.stream import Feed
from pinwatch.web.summary import summary_route

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
CHECK_INTERVAL: Final = 1.0  # seconds between checks of the embedded PostgreSQL
SWITCH_INTERVAL: Final = 0.001
"""Seconds for which a thread that judges a statement keeps the interpreter lock."""
STOPPED_AT_ONCE: Final = 130  # the shell's status of a command that Ctrl-C ended


@contextmanager
def stop_signals(how: int) -> Iterator[None]:
    """Block or unblock the stop signals within the block.

    They are blocked while the embedded PostgreSQL starts and stops, steps that have
    timeouts, so that neither is left half done.
    """
    before = signal.pthread_sigmask(how, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def serve(
    settings: Settings,
    target: Target,
    read: Callable[[], Settings],
    event_log: EventLog | None,
    greet: Callable[[Target, Proxy, Address | None], None],
) -> int:
    """Serve until SIGINT or SIGTERM; a second signal cuts ``shutdown_grace`` short.

    Return the exit status. Raises TargetError if the embedded PostgreSQL ends.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    sys.setswitchinterval(SWITCH_INTERVAL)
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    with stop_signals(signal.SIG_UNBLOCK), suppress(asyncio.CancelledError):
        async with AsyncExitStack() as running:
            clock = running_loop().clock
            tally, history, timeline = Tally(clock), History(clock), Timeline(clock)
            leaks = Leaks()
            if event_log is not None:
                history.listeners.append(event_log)
                leaks.listeners.append(event_log)
            written = Log(sys.stderr, level(settings))
            kept = tally, history, leaks, timeline
            proxy = Proxy(settings, target, (written, *kept))
            await proxy.start()
            running.push_async_callback(proxy.stop)

            reload = Reloading(read, proxy, written)
            loop.add_signal_handler(signal.SIGHUP, reload.on_signal)
            http = settings.http
            if http is not None:
                answering = _answering(proxy, *kept, reload, http)
                http = await running.enter_async_context(answering)
            greet(target, proxy, http)
            await _until_ended(target)
    return STOPPED_AT_ONCE if task.cancelling() > 1 else 0


async def _until_ended(target: Target) -> None:
    """Wait for the end of the embedded PostgreSQL; for other targets wait forever.

    Raises TargetError. It is not started again: its log says why it ended, and a
    supervisor or the user should see that.
    """
    if not isinstance(target, EmbeddedTarget):
        await asyncio.get_running_loop().create_future()
        return
    while not target.ended():  # noqa: ASYNC110 - another process
        await asyncio.sleep(CHECK_INTERVAL)
    raise TargetError(
        f"The embedded PostgreSQL ended unexpectedly: see its log, {target.log}."
    )


@asynccontextmanager
async def _answering(
    proxy: Proxy,
    tally: Tally,
    history: History,
    leaks: Leaks,
    timeline: Timeline,
    reload: Reloading,
    listen: Address,
) -> AsyncIterator[Address]:
    """Run the HTTP side and yield the address that it listens on."""
    feed, tasks = Feed(history), Tasks()
    more = (
        leaks_route(proxy, leaks),
        history_route(timeline),
        summary_route(proxy, history, leaks, timeline),
        proxy_route(proxy, tally),
        metrics_route(proxy, tally),
        *control_routes(proxy, reload),
    )
    answers = app(proxy, history, feed, *more)
    guarded = Guard(answers, listen, proxy.settings.http_token)
    async with serving(guarded, listen) as address:
        tasks.run(timeline.run(proxy))
        try:
            yield address
        finally:
            feed.close()
            await tasks.end()
