"""One HTTP connection: uvicorn's, with limits on how long a client may keep it busy."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

INCOMPLETE: Final = (h11.IDLE, h11.SEND_BODY)
"""States of h11 in which the client has not sent the whole of its request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the HTTP listener; times are in seconds."""

    request: float = 10.0
    """Time for a request, head and body, from the connection or its first byte."""

    response: float = 60.0
    """Time without progress in sending a response that the client does not read."""

    connections: int = 256
    """Connections from which on requests get a 503; at twice as many they are closed
    without a response."""


class Timer:
    """Calls ``expired`` once, seconds after its start, unless it is stopped before."""

    def __init__(
        self, loop: AbstractEventLoop, seconds: float, expired: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expired = expired
        self._handle: TimerHandle | None = None

    def start(self) -> None:
        """Start, unless it runs."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._expire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _expire(self) -> None:
        self._handle = None
        self._expired()


class Connection(H11Protocol):
    """Ends when a limit of time has passed."""

    def __init__(self, config: Config, state: ServerState, limits: Limits) -> None:
        super().__init__(config, state, {})
        self._request = Timer(self.loop, limits.request, self._abort)
        self._response = Timer(self.loop, limits.response, self._abort_unread)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._request.start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in INCOMPLETE:
            self._request.start()
        else:
            self._request.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._limit_response()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limit_response()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._response.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._request.stop()
        self._response.stop()

    def _limit_response(self) -> None:
        if self.transport.get_write_buffer_size():
            self._response.start()

    def _abort(self) -> None:
        self.transport.abort()

    def _abort_unread(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
