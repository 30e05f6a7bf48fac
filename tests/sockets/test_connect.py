"""Streams that come to a listening socket, and those that go out."""

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest

from pinwatch.sockets import connect as connecting
from pinwatch.sockets.connect import connect, connect_unix, listen
from pinwatch.sockets.loop import running
from tests.sockets.conftest import Heard, Run


def test_both_ends(run: Run) -> None:
    async def work() -> None:
        accepted: list[Heard] = []

        def receive() -> Heard:
            accepted.append(Heard())
            return accepted[-1]

        loop = running()
        listener = await listen(loop, "127.0.0.1", 0, receive)
        host, port = listener.address
        heard = Heard()
        await connect(loop, heard, host, port)
        heard.transport.write(b"hello")
        await heard.until(lambda: accepted)
        await accepted[0].until(lambda: accepted[0].data == b"hello")
        listener.close()
        accepted[0].transport.close()
        await heard.ended()
        assert heard.told == ["made", "eof", "lost"]
        with pytest.raises(ConnectionRefusedError):
            await connect(loop, Heard(), host, port)

    run(work())


def test_a_name_is_looked_up_and_its_addresses_tried(run: Run) -> None:
    """One of localhost's at least is 127.0.0.1, where the socket listens."""

    async def work() -> None:
        loop = running()
        listener = await listen(loop, "127.0.0.1", 0, Heard)
        heard = Heard()
        await connect(loop, heard, "localhost", listener.address[1])
        assert heard.told == ["made"]
        listener.close()
        heard.transport.abort()
        await heard.ended()

    run(work())


def test_by_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            server.listen()
            heard = Heard()
            await connect_unix(running(), heard, str(tmp_path / "s"))
            near, _ = server.accept()
        with near:
            near.sendall(b"hello")
            await heard.until(lambda: heard.data == b"hello")
            heard.transport.close()
            await heard.ended()

    run(work())


def test_what_cannot_be_reached_or_listened_on_raises(run: Run) -> None:
    async def work() -> None:
        loop = running()
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)),
        ):
            await listen(loop, "127.0.0.1", taken.getsockname()[1], Heard)
        with pytest.raises(FileNotFoundError):
            await connect_unix(loop, Heard(), "/nowhere")
        with pytest.raises(OSError, match="not known"):
            await connect(loop, Heard(), "nobody.invalid", 1)

    run(work())


def test_without_room_it_accepts_later(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connecting, "PAUSE", 0.001)

    class Full:
        """A listening socket in a process that has no descriptor left, once."""

        def __init__(self, inner: socket.socket) -> None:
            self.inner = inner
            self.left = 1

        def accept(self) -> tuple[socket.socket, object]:
            if self.left:
                self.left -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self.inner.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    real = socket.create_server

    def create_server(*args: object, **kwargs: object) -> Full:
        return Full(real(*args, **kwargs))  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_server", create_server)

    async def work() -> None:
        loop, accepted = running(), Heard()
        listener = await listen(loop, "127.0.0.1", 0, lambda: accepted)
        heard = Heard()
        await connect(loop, heard, *listener.address)
        await accepted.until(lambda: accepted.told == ["made"])
        listener.close()
        accepted.transport.close()
        await heard.ended()
        await accepted.ended()

    run(work())
    assert "No client can be accepted for now: Too many open files." in caplog.text


def test_a_listener_that_is_closed_while_it_pauses_stays_closed(run: Run) -> None:
    async def work() -> None:
        loop = running()
        listener = await listen(loop, "127.0.0.1", 0, Heard)
        (listening,) = listener._sockets
        listener.close()
        listener._go_on(listening)
        await asyncio.sleep(0)

    run(work())
