"""Settings that are read again, on SIGHUP or over HTTP, while the proxy runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from pinwatch.errors import PinwatchError
from pinwatch.observers.log import DEBUG, LEVELS, Log

if TYPE_CHECKING:
    from pinwatch.config.model import Settings
    from pinwatch.proxy.proxy import Proxy

log = logging.getLogger("pinwatch")


def level(settings: Settings) -> int:
    """What settings let through to the log."""
    return DEBUG if settings.debug_logging else LEVELS[settings.log_level]


class Reloading:
    """read gives the settings as they are now; written is the log that follows them."""

    def __init__(
        self, read: Callable[[], Settings], proxy: Proxy, written: Log
    ) -> None:
        self.read = read
        self.proxy = proxy
        self.written = written
        self._one_at_a_time = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self) -> list[str]:
        """Gives those that need a new start; raises PinwatchError, nothing changed."""
        async with self._one_at_a_time:
            settings = await asyncio.to_thread(self.read)
            late = await self.proxy.reload(settings)
        self.written.level = level(settings)
        log.setLevel(settings.log_level.upper())
        needing = f" These need a new start: {', '.join(late)}." if late else ""
        log.info("The settings were read again.%s", needing)
        return late

    def on_signal(self) -> None:
        task = asyncio.get_running_loop().create_task(self._told_in_the_log())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _told_in_the_log(self) -> None:
        try:
            await self()
        except PinwatchError as error:
            log.error("The settings stay as they are: %s", error)
