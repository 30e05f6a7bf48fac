"""The proxy of a soak: ``pinwatch up`` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.process import LOOPBACK, NotStarted, free_port, tail
from bench.server import DATABASE, Server
from bench.soak.inside import TRACE
from bench.soak.site import MD5_ROLES, PASSWORD, SCRAM_ROLES

CONNECTIONS: Final = 40
"""Database connections to each of the two targets."""

BORROW_TIMEOUT: Final = 30
TARGETS: Final = ("a", "b")
READERS: Final = "reads"
PATIENCE: Final = 30.0
REPORT_PATIENCE: Final = 180.0
"""Seconds until a report is given up; with traced memory it takes a while."""

READY: Final = "Stop"
"""First word of the last line that pinwatch prints when it serves."""


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that serves."""

    process: subprocess.Popen[str]
    port: int
    readers_port: int
    http_port: int
    log: Path
    report_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def report(self) -> dict[str, Any]:
        """Return the report of `bench.soak.inside`. Raises NotStarted."""
        with suppress(FileNotFoundError):
            self.report_file.unlink()
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + REPORT_PATIENCE
        while not self.report_file.exists():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise NotStarted(f"no report: {tail(self.log)}")
            time.sleep(0.05)
        found: dict[str, Any] = json.loads(self.report_file.read_text())
        return found

    def stop(self) -> int:
        """Stop the proxy as a supervisor does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Start pinwatch with two targets, both the same server, and a reader endpoint."""
    ports = free_port(), free_port(), free_port()
    file = folder / "pinwatch.toml"
    file.write_text(settings(server, ports, folder))
    report = folder / "report.json"
    log = folder / "pinwatch.log"
    command = [sys.executable, "-m", "bench.soak.inside", str(report), "up"]
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*command, "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment(),
        ) as process,
    ):
        try:
            _await_greeting(process, log)
            yield Running(process, *ports, log=log, report_file=report)
        finally:
            process.kill()


def environment() -> dict[str, str]:
    """Return this process's, without settings of pinwatch but for those of the soak."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PINWATCH_") or name == TRACE
    }
    return found | {"PYTHONPATH": os.pathsep.join(paths)}


def _await_greeting(process: subprocess.Popen[str], log: Path) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return
    raise NotStarted(f"pinwatch has ended: {tail(log)}")


def settings(server: Server, ports: tuple[int, int, int], folder: Path) -> str:
    """Return the TOML file of the proxy."""
    port, readers, http = ports
    url = f"postgresql://postgres@{LOOPBACK}:{server.port}/{DATABASE}"
    lines = [
        f'listen = "{LOOPBACK}:{port}"',
        f'http = "{LOOPBACK}:{http}"',
        f'state_folder = "{folder}"',
        f'event_log = "{folder / "pins.jsonl"}"',
        'cancel = "forward"',
        f"max_connections = {CONNECTIONS}",
        "[connection_pool]",
        f"connection_borrow_timeout = {BORROW_TIMEOUT}",
    ]
    for name in TARGETS:
        lines += ["[[targets]]", f'name = "{name}"', f'url = "{url}"']
    lines += ["[[endpoints]]", f'name = "{READERS}"', 'target_role = "READ_ONLY"']
    lines += [f'listen = "{LOOPBACK}:{readers}"']
    for roles, method in ((MD5_ROLES, "MD5"), (SCRAM_ROLES, "SCRAM_SHA_256")):
        for role in roles:
            lines += ["[[auth]]", f'username = "{role}"', f'password = "{PASSWORD}"']
            lines += [f'client_password_auth_type = "POSTGRES_{method}"']
    return "\n".join(lines) + "\n"
