"""Streams are accepted and connected; accepting survives a lack of descriptors."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinwatch.sockets import acceptor
from pinwatch.sockets import connect as connecting
from pinwatch.sockets.connect import connect, connect_unix, listen
from pinwatch.sockets.loop import running
from pinwatch.sockets.stream import Stream
from tests.descriptors import no_descriptors_left
from tests.sockets.conftest import RecordingReceiver, Run


def test_both_ends(run: Run) -> None:
    async def work() -> None:
        loop, accepted = running(), RecordingReceiver()
        listener = await listen(loop, "127.0.0.1", 0, lambda: accepted)
        host, port = listener.address
        receiver = RecordingReceiver()
        await connect(loop, receiver, host, port)
        receiver.transport.write(b"hello")
        await accepted.until(lambda: accepted.data == b"hello")
        listener.close()
        accepted.transport.close()
        await receiver.ended()
        assert receiver.calls == ["made", "eof", "lost"]
        assert listener.address == (host, port)
        with pytest.raises(ConnectionRefusedError):
            await connect(loop, RecordingReceiver(), host, port)

    run(work())


def test_a_peer_whose_machine_is_gone_is_found(run: Run) -> None:
    async def work() -> None:
        accepted = RecordingReceiver()
        listener = await listen(running(), "127.0.0.1", 0, lambda: accepted)
        receiver = RecordingReceiver()
        await connect(running(), receiver, *listener.address)
        await accepted.until(lambda: accepted.calls == ["made"])
        for end in (receiver, accepted):
            assert isinstance(end.transport, Stream)
            with socket.socket(fileno=os.dup(end.transport._fd)) as copy:
                assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            end.transport.close()
            await end.ended()
        listener.close()

    run(work())


def test_a_name_is_looked_up_and_its_addresses_tried(run: Run) -> None:
    """localhost may have other addresses, too; the socket listens on 127.0.0.1 only."""

    async def work() -> None:
        loop = running()
        listener = await listen(loop, "127.0.0.1", 0, RecordingReceiver)
        receiver = RecordingReceiver()
        await connect(loop, receiver, "localhost", listener.address[1])
        assert receiver.calls == ["made"]
        listener.close()
        receiver.transport.abort()
        await receiver.ended()

    run(work())


def test_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            server.listen()
            receiver = RecordingReceiver()
            await connect_unix(running(), receiver, str(tmp_path / "s"))
            near, _ = server.accept()
        with near:
            near.sendall(b"hello")
            await receiver.until(lambda: receiver.data == b"hello")
            receiver.transport.close()
            await receiver.ended()

    run(work())


def test_unusable_addresses_raise_oserror(run: Run) -> None:
    async def work() -> None:
        loop = running()
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)),
        ):
            await listen(loop, "127.0.0.1", taken.getsockname()[1], RecordingReceiver)
        with pytest.raises(FileNotFoundError):
            await connect_unix(loop, RecordingReceiver(), "/nowhere")
        with pytest.raises(OSError, match="not known"):
            await connect(loop, RecordingReceiver(), "missing.invalid", 1)

    run(work())


class Shortages(logging.Handler):
    """Collects the log lines about a shortage; ``first`` is set by the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.first = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "Cannot accept clients" in record.getMessage():
            self.lines.append(record.getMessage())
            self.first.set()


@pytest.fixture
def shortages() -> Iterator[Shortages]:
    handler = Shortages()
    acceptor.log.addHandler(handler)
    yield handler
    acceptor.log.removeHandler(handler)


def test_without_descriptors_accepting_pauses(run: Run, shortages: Shortages) -> None:
    """The socket stays readable: a loop that watched it would accept in each iteration.

    The log has one line for each attempt that starts a shortage.
    """

    async def work() -> None:
        loop = running()
        listener = await listen(loop, "127.0.0.1", 0, RecordingReceiver)
        where = "{}:{}".format(*listener.address)
        with socket.socket() as client:
            client.connect(listener.address)
            with no_descriptors_left():
                await shortages.first.wait()
                for _ in range(100):
                    await asyncio.sleep(0)
            listener.close()
        (line,) = shortages.lines
        assert line == (
            f"Cannot accept clients on {where}: Too many open files. "
            "Retrying every 1 s. "
            "If this lasts, raise the limit of open files (ulimit -n)."
        )

    run(work())


def test_accepting_resumes_when_there_are_descriptors_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, shortages: Shortages
) -> None:
    monkeypatch.setattr(acceptor, "ACCEPT_PAUSE", 0.001)
    resumed = asyncio.Event()

    class Counting(acceptor.Acceptor):
        attempts = 0

        def _accept(self, listening: socket.socket) -> None:
            self.attempts += 1
            super()._accept(listening)
            if self.attempts == 3:
                resumed.set()

    monkeypatch.setattr(connecting, "Acceptor", Counting)

    async def work() -> None:
        loop, accepted = running(), RecordingReceiver()
        listener = await listen(loop, "127.0.0.1", 0, lambda: accepted)
        with socket.socket() as client:
            client.connect(listener.address)
            with no_descriptors_left():
                await resumed.wait()
            await accepted.until(lambda: accepted.calls == ["made"])
            listener.close()
        await accepted.ended()
        assert len(shortages.lines) == 1, "one line for one shortage"

    run(work())


def test_a_listener_that_is_closed_during_a_pause_stays_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch, shortages: Shortages
) -> None:
    monkeypatch.setattr(acceptor, "ACCEPT_PAUSE", 0.0)

    async def work() -> None:
        listener = await listen(running(), "127.0.0.1", 0, RecordingReceiver)
        with socket.socket() as client:
            client.connect(listener.address)
            with no_descriptors_left():
                await shortages.first.wait()
            listener.close()
            for _ in range(10):
                await asyncio.sleep(0)

    run(work())
