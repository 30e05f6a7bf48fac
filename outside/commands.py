"""Run the commands of a suite, with a timeout and a log."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Skipped(Exception):
    """The suite cannot run here; the text says why and what would help."""


class Broken(Exception):
    """A step of the suite failed that must not fail; the text quotes its log."""


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    timeout: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int | None:
    """Run a command and return its exit status, or None after the timeout.

    Its output goes to ``log``. After ``timeout`` seconds it and its children are
    killed. Variables of this process that begin with PG or PYTHON are not passed on.
    """
    hidden = ("PG", "PYTHON")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**inherited, **(environment or {})},
            start_new_session=True,
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def must(
    command: Sequence[str | Path],
    *,
    log: Path,
    timeout: float = 900,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command that must succeed. Raises Broken with the end of its log."""
    status = run(
        command, log=log, timeout=timeout, folder=folder, environment=environment
    )
    if status != 0:
        what = f"exit status {status}" if status is not None else "timeout"
        raise Broken(f"{' '.join(map(str, command[:4]))}: {what}: {tail(log)}")


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log, joined by " | "."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])
