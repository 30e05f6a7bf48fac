"""pinwatch up --wait: targets that start later than the proxy, or never."""

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Final

import psycopg
import pytest

from pinwatch.config.model import Address
from tests.auth.servers import SOCKET, embedded, postgresql
from tests.cli.command import PATIENCE, Up, environment, pinwatch, pinwatch_starting
from tests.harness import eventually
from tests.site import ask

LONG: Final = str(10 * PATIENCE)  # seconds; a test that waits for so long fails
STARTING: Final = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
WRONG: Final = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file with the command's standard error."""
    return tmp_path / "stderr"


@pytest.fixture
def place() -> Iterator[Path]:
    """The folder of the Unix socket of a server that has not started."""
    with TemporaryDirectory(prefix="pinwatch-") as name:
        yield Path(name) / "link"


@contextmanager
def started(place: Path) -> Iterator[None]:
    """Start a PostgreSQL there."""
    with postgresql(embedded(18), "local all all trust") as folder:
        place.symlink_to(folder)
        yield


@pytest.fixture
def closed() -> Iterator[Address]:
    """An address at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Address(*bound.getsockname())


@contextmanager
def answering(*answers: bytes) -> Iterator[Address]:
    """A server that sends one of these to each connection, the last to all others."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for number in range(sys.maxsize):
                connection, _ = listening.accept()
                with connection:
                    if not connection.recv(4096):
                        return
                    connection.sendall(answers[min(number, len(answers) - 1)])

        thread = threading.Thread(target=serve)
        thread.start()
        address = Address(*listening.getsockname())
        try:
            yield address
        finally:
            socket.create_connection(address).close()
            thread.join()


def error_response(fields: bytes) -> bytes:
    return b"E" + (len(fields) + 4).to_bytes(4) + fields


def url(place: Path) -> str:
    return f"postgresql://postgres@/postgres?host={place}"


def reports(log: Path) -> list[str]:
    """The lines about targets that are not up yet, without the time."""
    lines = log.read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if "cannot be used yet" in line]


def rows(up: Up) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(up.url)) as client:
        return client.execute("SELECT 'pong'").fetchall()


def test_a_postgresql_that_starts_later(place: Path, log: Path) -> None:
    with pinwatch_starting(log, "--target", url(place), "--wait", LONG) as process:
        first, *_ = eventually(partial(reports, log))
        assert first == (
            f"[WARN] The target {place}/{SOCKET} cannot be used yet: No such file or "
            f"directory. Retrying for up to {LONG}.0 s."
        )
        with started(place):
            up = Up(process)
            assert rows(up) == [("pong",)]
            assert up.stop() == 0
    assert "The target default is AVAILABLE." in log.read_text()


def test_a_postgresql_that_is_starting_up(log: Path) -> None:
    """And then refuses the password, for which nothing waits."""
    with answering(*2 * [error_response(STARTING)], error_response(WRONG)) as address:
        target = f"postgresql://ann:x@{address}/app?sslmode=disable"
        with pinwatch_starting(log, "--target", target, "--wait", LONG) as process:
            assert process.wait(PATIENCE) == 1
    assert "the database system is starting up" in reports(log)[0]
    assert log.read_text().splitlines()[-1] == (
        f"pinwatch: The target {address} cannot be used: password authentication "
        "failed."
    )


@pytest.mark.parametrize(
    ("answer", "parameters", "why"),
    [
        (error_response(WRONG), "sslmode=disable", "password authentication failed"),
        (b"N", "sslmode=require", "the server does not support TLS"),
    ],
)
def test_a_refusal_is_not_waited_for(answer: bytes, parameters: str, why: str) -> None:
    with answering(answer) as address:
        target = f"postgresql://ann:x@{address}/app?{parameters}"
        ended = pinwatch("up", "--target", target, "--wait", LONG)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"pinwatch: The target {address} cannot be used: {why}.\n"


def test_the_wait_ends(closed: Address) -> None:
    target = f"postgresql://ann@{closed}/app"
    ended = pinwatch("up", "--target", target, PINWATCH_WAIT="0.3")
    assert (ended.returncode, ended.stdout) == (1, "")
    first, *_, last = ended.stderr.splitlines()
    assert first.endswith(
        f"[WARN] The target {closed} cannot be used yet: Connection refused. Retrying "
        "for up to 0.3 s."
    )
    assert last == (
        f"pinwatch: The target {closed} cannot be used: Connection refused."
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(number: int, closed: Address, log: Path) -> None:
    target = f"postgresql://ann@{closed}/app"
    with pinwatch_starting(log, "--target", target, "--wait", LONG) as process:
        eventually(partial(reports, log))
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


def test_a_signal_does_not_wait_for_name_servers() -> None:
    """The look-up of the target's name, which takes seconds, is not waited for."""
    program = (
        "import socket, sys, threading\n"
        "real = socket.getaddrinfo\n"
        "def silent(host, *arguments):\n"
        "    if host == 'db.example':\n"
        "        if not arguments[-1] & socket.AI_NUMERICHOST:\n"
        "            print('asked', flush=True)\n"
        "            threading.Event().wait()\n"
        "    return real(host, *arguments)\n"
        "socket.getaddrinfo = silent\n"
        "from pinwatch.cli import main\n"
        "main()\n"
    )
    target = "postgresql://ann@db.example/app"
    command = [sys.executable, "-c", program, "up", "--target", target, "--wait", LONG]
    with Popen(
        command, env=environment(), stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, ("", ""))


class TestSeveralTargets:
    """The writer a starts later; b, a reader that accepts writes, runs already."""

    @pytest.fixture
    def config(self, place: Path, target: str, tmp_path: Path) -> Path:
        file = tmp_path / "pinwatch.toml"
        file.write_text(
            f'[[targets]]\nname = "a"\nurl = "{url(place)}"\n'
            f'[[targets]]\nname = "b"\nurl = "{target}"\nrole = "READ_ONLY"\n'
        )
        return file

    def writer(self, up: Up) -> str:
        targets = ask(f"{up.greeting['HTTP']}/api/targets").json
        (name,) = [one["name"] for one in targets if one["role"] == "READ_WRITE"]
        return str(name)

    def test_the_writer_is_waited_for(
        self, config: Path, place: Path, log: Path
    ) -> None:
        arguments = ("--config", str(config), "--wait", LONG)
        with pinwatch_starting(log, *arguments) as process:
            eventually(partial(reports, log))
            with started(place):
                up = Up(process)
                assert self.writer(up) == "a"
                assert up.stop() == 0
        assert all(str(place) in line for line in reports(log))

    def test_another_is_the_writer_after_the_wait(
        self, config: Path, log: Path
    ) -> None:
        arguments = ("--config", str(config), "--wait", "0.1")
        with pinwatch_starting(log, *arguments) as process:
            up = Up(process)
            assert self.writer(up) == "b"
            assert up.stop() == 0
        assert reports(log)[0].endswith("Retrying for up to 0.1 s.")
