"""Runs pinwatch commands in forks of a process that has imported their modules.

A command is a process of its own, as a person runs it, but does not pay for the imports
again. ``python -m tests.cli.forks FD`` serves the requests that ``Forks`` sends.
"""

import json
import os
import runpy
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterable
from subprocess import CompletedProcess, Popen, TimeoutExpired
from typing import Final, Self

PRELOADED: Final = ("pinwatch.cli.answer", "rich.console", "rich.progress")
MAX_REQUEST: Final = 1_048_576  # bytes


class Forks:
    """The side of the tests: starts the process, and runs commands in its forks."""

    def __init__(self) -> None:
        self._requests, served = socket.socketpair()
        with served:
            command = [sys.executable, "-m", "tests.cli.forks", str(served.fileno())]
            self._process = Popen(command, pass_fds=[served.fileno()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait()

    def run(
        self,
        arguments: Iterable[str],
        environment: dict[str, str],
        given: bytes = b"",
        timeout: float | None = None,
    ) -> CompletedProcess[bytes]:
        """Run pinwatch with these arguments; given is its standard input."""
        command = [*arguments]
        request = json.dumps([command, environment, os.getcwd()]).encode()
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            stdin.write(given)
            stdin.seek(0)
            files = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(self._requests, [request], files)
            self._requests.settimeout(timeout)
            try:
                status = int(self._requests.recv(16))
            except TimeoutError:
                self._process.kill()
                raise TimeoutExpired(command, timeout or 0) from None
            for file in (stdout, stderr):
                file.seek(0)
            return CompletedProcess(command, status, stdout.read(), stderr.read())


def serve(requests: socket.socket) -> None:
    """Run each request in a fork; send its exit status."""
    for module in PRELOADED:
        __import__(module)
    while True:
        request, files, _flags, _address = socket.recv_fds(requests, MAX_REQUEST, 3)
        if not request:
            return
        child = os.fork()
        if child == 0:
            requests.close()
            os._exit(_command(files, *json.loads(request)))
        for file in files:
            os.close(file)
        _pid, status = os.waitpid(child, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def _command(
    files: list[int], arguments: list[str], environment: dict[str, str], folder: str
) -> int:
    """Become the process of a command; return its exit status."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0)  # noqa: SIM115
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["pinwatch", *arguments]
    try:
        runpy.run_module("pinwatch", run_name="__main__")
        status: object = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else 1


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
