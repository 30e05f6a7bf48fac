"""Loops of every kind of poll, and receivers that remember."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pinwatch.sockets import loop as loops
from pinwatch.sockets.loop import Loop
from pinwatch.sockets.polls import Selector, system_poll
from pinwatch.sockets.stream import Stream
from pinwatch.sockets.transport import Listening, Transport

PATIENCE = 20.0  # seconds until something that has to happen is given up

Ends = tuple[socket.socket, socket.socket]
Run = Callable[[Coroutine[Any, Any, None]], None]


class Heard(Listening):
    """A receiver that writes down what it hears, and then does what it was told to."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act
        self.data = b""
        self.chunks: list[int] = []
        self.told: list[str] = []
        self.error: Exception | None = None
        self.changed = asyncio.Event()

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.chunks.append(len(data))
        self.changed.set()
        self.act()

    def eof_received(self) -> bool:
        self._note("eof")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self._note("lost")

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def _note(self, word: str) -> None:
        self.told.append(word)
        self.changed.set()

    async def ended(self) -> None:
        await self.until(lambda: self.told[-1] == "lost")

    async def until(self, condition: Callable[[], object]) -> None:
        """Returns when condition holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(params=[system_poll, Selector], ids=["system", "portable"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs on a loop of ours; what nobody caught fails the test."""
    monkeypatch.setattr(loops, "system_poll", request.param)

    def run(work: Coroutine[Any, Any, None]) -> None:
        uncaught: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=Loop) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _loop, context: uncaught.append(context))
            runner.run(work)
        assert not uncaught

    return run


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two connected sockets: the one of the stream, and a blocking one of the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname(), PATIENCE)
        near, _ = server.accept()
    with near, far:
        yield near, far


def stream_of(
    near: socket.socket, act: Callable[[], object] = lambda: None
) -> tuple[Stream, Heard]:
    """An open one on the running loop."""
    heard = Heard(act)
    loop = loops.running()
    stream = Stream(loop, loop.poller, near, heard)
    stream.open()
    return stream, heard
