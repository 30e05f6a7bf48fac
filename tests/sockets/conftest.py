"""Loops on each kind of poll, and a receiver that records its calls."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pinwatch.sockets import loop as loops
from pinwatch.sockets.loop import Loop
from pinwatch.sockets.polls import SelectorPoll, system_poll
from pinwatch.sockets.stream import Stream
from pinwatch.sockets.transport import Listening, Transport

TIMEOUT = 20.0  # seconds until a test fails that waits for an event

Ends = tuple[socket.socket, socket.socket]
Run = Callable[[Coroutine[Any, Any, None]], None]


class RecordingReceiver(Listening):
    """A receiver that records its calls, and runs ``act`` for each chunk of data."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act
        self.data = b""
        self.chunks: list[int] = []
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.changed = asyncio.Event()

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self._record("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.chunks.append(len(data))
        self.changed.set()
        self.act()

    def eof_received(self) -> bool:
        self._record("eof")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self._record("lost")

    def pause_writing(self) -> None:
        self._record("pause")

    def resume_writing(self) -> None:
        self._record("resume")

    def _record(self, name: str) -> None:
        self.calls.append(name)
        self.changed.set()

    async def ended(self) -> None:
        await self.until(lambda: self.calls[-1] == "lost")

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when condition holds."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(params=[system_poll, SelectorPoll], ids=["system", "portable"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a coroutine on a Loop; an exception that it does not catch fails the test."""
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
    """Two connected TCP sockets: one for a stream, and a blocking one for the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname(), TIMEOUT)
        near, _ = server.accept()
    with near, far:
        yield near, far


def stream_of(
    near: socket.socket, act: Callable[[], object] = lambda: None
) -> tuple[Stream, RecordingReceiver]:
    """Open a stream on the running loop; return it with its receiver."""
    receiver = RecordingReceiver(act)
    loop = loops.running()
    stream = Stream(loop, loop.poller, near, receiver)
    stream.open()
    return stream, receiver
