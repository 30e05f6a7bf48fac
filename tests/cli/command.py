"""The pinwatch command in a process of its own, as a person runs it."""

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from threading import Timer
from typing import Final

from tests.cli.forks import Forked, Forks

PATIENCE: Final = 60  # seconds until a command that has to end is killed
PINWATCH: Final = (sys.executable, "-m", "pinwatch")


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of its own and without a terminal's size."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PINWATCH_") and name not in ("COLUMNS", "LINES")
    }
    return own | variables


def pinwatch(*arguments: str, **variables: str) -> CompletedProcess[str]:
    """Run it to its end."""
    ended = forks().run(arguments, environment(**variables), timeout=PATIENCE)
    out, errors = ended.stdout.decode(), ended.stderr.decode()
    return CompletedProcess(ended.args, ended.returncode, out, errors)


@cache
def forks() -> Forks:
    """Return the process that runs the commands of this process's tests."""
    started = Forks()
    atexit.register(started.__exit__)
    return started


class Up:
    """A `pinwatch up` that has greeted; greeting maps the labels to what follows."""

    def __init__(self, process: Forked) -> None:
        self.process = process
        self.lines: list[str] = []
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Stop"):
                break
        words = (line.partition(" ") for line in self.lines)
        self.greeting = {label: text.strip() for label, _, text in words}

    @property
    def url(self) -> str:
        return self.greeting["Connect"]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit status after this signal."""
        self.process.send_signal(number)
        return self.process.wait()


@contextmanager
def pinwatch_up(log: Path, *arguments: str, **variables: str) -> Iterator[Up]:
    """Run pinwatch up on free ports until it greets; see ``pinwatch_starting``."""
    with pinwatch_starting(log, *arguments, **variables) as process:
        yield Up(process)


@contextmanager
def pinwatch_starting(log: Path, *arguments: str, **variables: str) -> Iterator[Forked]:
    """Run pinwatch up on free ports, with standard error in the file log."""
    command = ("up", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", *arguments)
    with log.open("w") as stderr:
        process = forks().start(command, environment(**variables), stderr.fileno())
    with process.stdout:
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
