"""Reload the settings of a running proxy, on SIGHUP or over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from pinwatch.errors import PinwatchError
from pinwatch.observers.log import DEBUG, LEVELS, Log
from pinwatch.sockets.threads import in_thread

if TYPE_CHECKING:
    from pinwatch.config.model import Settings
    from pinwatch.proxy.proxy import Proxy

log = logging.getLogger("pinwatch")


def level(settings: Settings) -> int:
    """Return the least severe level that is logged."""
    return DEBUG if settings.debug_logging else LEVELS[settings.log_level]


class Reloading:
    """Reloads settings for a proxy and its log; ``read`` returns the present ones."""

    def __init__(
        self, read: Callable[[], Settings], proxy: Proxy, written: Log
    ) -> None:
        self.read = read
        self.proxy = proxy
        self.written = written
        self._one_at_a_time = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self) -> list[str]:
        """Return the settings that need a restart; on PinwatchError nothing changed."""
        async with self._one_at_a_time:
            settings = await in_thread(self.read)
            late = await self.proxy.reload(settings)
        self.written.level = level(settings)
        log.setLevel(settings.log_level.upper())
        needing = f" Restart pinwatch to apply: {', '.join(late)}." if late else ""
        log.info("Settings reloaded.%s", needing)
        return late

    def on_signal(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_and_log())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _reload_and_log(self) -> None:
        try:
            await self()
        except PinwatchError as error:
            log.error("Settings not reloaded: %s", error)
