"""The modes: PostgreSQL itself, and pinwatch as the user would start it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import process
from outside.commands import Skipped
from outside.server import DATABASE, USER, Place, Servers

DIRECT: Final = "direct"
PLAIN: Final = "plain"
COMPILED: Final = "compiled"
SMALL_POOL: Final = "small-pool"
MODES: Final = (DIRECT, PLAIN, COMPILED, SMALL_POOL)

SMALL: Final = 3
"""Database connections of the mode small-pool."""

PATIENCE: Final = 120.0
"""Seconds until the proxy accepts connections, on a busy machine."""

BORROW_TIMEOUT: Final = 20
"""Seconds that a client waits for a database connection."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Starts the modes. ``compiled`` is the program of the compiled build."""

    servers: Servers
    compiled: Path

    @contextmanager
    def running(self, mode: str, setup: Sequence[str], folder: Path) -> Iterator[Place]:
        """Run a new server, and a proxy unless the mode is direct.

        The proxy's settings and log go into ``folder``.
        """
        with self.servers.running(folder.name, setup) as server:
            if mode == DIRECT:
                yield Place(server, server)
                return
            port = process.free_port()
            settings = folder / "pinwatch.toml"
            settings.write_text(toml(mode, server, port, folder))
            with process.listening(
                [*self._program(mode), "up", "--config", settings],
                port=port,
                log=folder / "pinwatch.log",
                stop=signal.SIGTERM,
                patience=PATIENCE,
            ):
                yield Place(port, server)

    def missing(self, mode: str) -> str | None:
        """Return the reason why a mode cannot run, or None."""
        if mode == COMPILED and not self.compiled.exists():
            return f"no compiled build in {self.compiled}: run `make test-compiled`"
        return None

    def _program(self, mode: str) -> list[str | Path]:
        if mode == COMPILED:
            if reason := self.missing(mode):
                raise Skipped(reason)
            return ["env", "-u", "PYTHONPATH", self.compiled]
        return [sys.executable, "-m", "pinwatch"]


def toml(mode: str, server: int, port: int, folder: Path) -> str:
    """Return the settings of the proxy: the defaults, but for addresses and waits."""
    target = f"postgresql://{USER}@{process.LOOPBACK}:{server}/{DATABASE}"
    lines = [
        f"target = {json.dumps(target)}",
        f'listen = "{process.LOOPBACK}:{port}"',
        'http = "off"',
        f"state_folder = {json.dumps(str(folder / 'state'))}",
        "shutdown_grace = 1",
        *([f"max_connections = {SMALL}"] if mode == SMALL_POOL else []),
        "[connection_pool]",
        f"connection_borrow_timeout = {BORROW_TIMEOUT}",
    ]
    return "\n".join([*lines, ""])


def faults(folder: Path) -> list[str]:
    """Return the errors that the proxy of a run logged and should not have."""
    log = folder / "pinwatch.log"
    if not log.exists():
        return []
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if "Traceback" in line or " CRITICAL " in line]
