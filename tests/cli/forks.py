"""Runs commands in forks of a process that has imported their modules.

A command is a process of its own, as a person runs it, but does not pay for the imports
again. ``python -m tests.cli.forks FD PROGRAM MODULE...`` imports the modules and serves
the requests that ``Forks`` sends.

Each request comes with four files: the command's standard input, output and error, and
a pipe. The pipe receives the command's process id, and later its exit status, each on a
line. A fork of its own waits for each command, so that many can run at a time.
"""

import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable
from select import select
from subprocess import CompletedProcess, Popen, TimeoutExpired
from typing import IO, Final, Self

PRELOADED: Final = (
    "pinwatch.cli.answer",
    "pinwatch.cli.http_side",
    "pinwatch.cli.serve",
    "pinwatch.cli.up",
    "rich.console",
    "rich.progress",
)
MAX_REQUEST: Final = 1_048_576  # bytes


class Forked:
    """A command that runs; the part of ``Popen`` that the tests use."""

    def __init__(self, arguments: list[str], status: int, output: IO[str]) -> None:
        self.arguments = arguments
        self.stdout = output
        self.returncode: int | None = None
        self._status = os.fdopen(status)
        self.pid = int(self._status.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises TimeoutExpired after timeout seconds."""
        if self.returncode is None:
            if not select([self._status], [], [], timeout)[0]:
                raise TimeoutExpired(self.arguments, timeout or 0)
            with self._status:
                self.returncode = int(self._status.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None and not select([self._status], [], [], 0)[0]:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forks:
    """The side of the tests: starts the process, and runs commands in its forks.

    program is the name of a package, which runs as by ``python -m``.
    """

    def __init__(
        self, program: str = "pinwatch", preloaded: Iterable[str] = PRELOADED
    ) -> None:
        self._requests, served = socket.socketpair()
        with served:
            fd = str(served.fileno())
            command = [sys.executable, "-m", "tests.cli.forks", fd, program]
            self._process = Popen([*command, *preloaded], pass_fds=[served.fileno()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait()

    def start(
        self, arguments: Iterable[str], environment: dict[str, str], errors: int
    ) -> Forked:
        """Start the program with these arguments, with standard error in a file."""
        reading, writing = os.pipe()
        with open(os.devnull) as nothing, os.fdopen(writing, "w"):
            status = self._request(
                arguments, environment, (nothing.fileno(), writing, errors)
            )
        return Forked([*arguments], status, os.fdopen(reading))

    def run(
        self,
        arguments: Iterable[str],
        environment: dict[str, str],
        given: bytes = b"",
        timeout: float | None = None,
    ) -> CompletedProcess[bytes]:
        """Run the program with these arguments; given is its standard input."""
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            stdin.write(given)
            stdin.seek(0)
            files = (stdin.fileno(), stdout.fileno(), stderr.fileno())
            status = self._request(arguments, environment, files)
            command = Forked([*arguments], status, sys.stdout)
            try:
                command.wait(timeout)
            except TimeoutExpired:
                command.kill()
                command.wait()
                raise
            for file in (stdout, stderr):
                file.seek(0)
            return CompletedProcess(
                command.arguments, command.wait(), stdout.read(), stderr.read()
            )

    def _request(
        self,
        arguments: Iterable[str],
        environment: dict[str, str],
        files: tuple[int, int, int],
    ) -> int:
        """Send a request; return the pipe that tells the process id and the status."""
        status, theirs = os.pipe()
        request = json.dumps([[*arguments], environment, os.getcwd()]).encode()
        with os.fdopen(theirs, "w"):
            socket.send_fds(self._requests, [request], [*files, theirs])
        return status


def serve(requests: socket.socket, program: str, preloaded: Iterable[str]) -> None:
    """Run each request in a fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for module in preloaded:
        __import__(module)
    for name in ("tests", "tests.cli"):  # a suite may have a package of this name
        del sys.modules[name]
    while True:
        request, files, _flags, _address = socket.recv_fds(requests, MAX_REQUEST, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            os._exit(_run(files, program, *json.loads(request)))
        for file in files:
            os.close(file)


def _run(
    files: list[int],
    program: str,
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
) -> int:
    """Run a command in a fork, and report its process id and its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *files, status = files
    child = os.fork()
    if child == 0:
        os.close(status)
        os._exit(_command(files, program, arguments, environment, folder))
    for file in files:
        os.close(file)
    with os.fdopen(status, "w") as report:
        print(child, file=report, flush=True)
        _pid, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), file=report)
    return 0


def _command(
    files: list[int],
    program: str,
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
) -> int:
    """Become the process of a command; return its exit status.

    Waits for threads that are not daemons, as a process does at its end.
    """
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0)  # noqa: SIM115
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = [program, *arguments]
    try:
        runpy.run_module(program, run_name="__main__")
        status: object = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else 1


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3:])
