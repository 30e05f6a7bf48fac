"""Pins as they happen, as server-sent events:
https://html.spec.whatwg.org/multipage/server-sent-events.html

Owns the readers and the queue of each: a slow reader keeps the latest events and the
number of older ones that it missed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pinwatch.observers import pin_history, schemas
from pinwatch.observers.pin_history import History
from pinwatch.web.operation import Operation

MAX_READERS: Final = 100
MAX_KEPT: Final = 500  # events in the queue of a reader
HEARTBEAT: Final = 15.0  # seconds without an event, after which a comment is sent
EVENT_STREAM: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store"}
COMMENT: Final = ":\n\n"


class Reader:
    """A client of the stream and its queue; events are texts that all readers share."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque(maxlen=MAX_KEPT)
        self._missed = 0
        self._ended = False
        self._changed = asyncio.Event()

    def offer(self, event: str) -> None:
        self._missed += len(self._queue) == MAX_KEPT
        self._queue.append(event)
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def read(self, heartbeat: float) -> AsyncIterator[str]:
        yield COMMENT  # the client sees at once that it is connected
        while not self._ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(heartbeat):
                    await self._changed.wait()
            yield self._next()

    def _next(self) -> str:
        if self._missed:
            missed, self._missed = self._missed, 0
            return event("missed", f'{{"events":{missed}}}')
        text = self._queue.popleft() if self._queue else COMMENT
        if not self._queue:
            self._changed.clear()
        return text


class Feed:
    """All readers. Close it before the server stops: the server waits for them."""

    def __init__(self, history: History, heartbeat: float = HEARTBEAT) -> None:
        self.history = history
        self.heartbeat = heartbeat
        self.readers: set[Reader] = set()
        self.closed = False
        history.listeners.append(self._publish)

    def close(self) -> None:
        """End the streams of all readers, and of those that come later."""
        self.closed = True
        for reader in self.readers:
            reader.end()

    def _publish(self, pin: pin_history.Pin) -> None:
        if self.readers:
            name = "pin" if pin.until is None else "unpin"
            answer = schemas.Pin.of(pin, self.history.clock.now)
            text = event(name, answer.model_dump_json())
            for reader in self.readers:
                reader.offer(text)


class EventStream(StreamingResponse):
    media_type = EVENT_STREAM

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.reader = Reader()
        if feed.closed:
            self.reader.end()
        super().__init__(self.reader.read(feed.heartbeat), headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.feed.readers.add(self.reader)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.feed.readers.discard(self.reader)


def event(name: str, data: str) -> str:
    """Format an event; data is JSON, which is one line."""
    return f"event: {name}\ndata: {data}\n\n"


def stream_route(feed: Feed) -> Operation:
    async def stream(request: Request) -> Response:
        """Stream pins as server-sent events: pin and unpin, each with a Pin as data.
        A reader that falls behind receives missed, with the number of lost events,
        before the latest ones."""
        if len(feed.readers) >= MAX_READERS:
            raise HTTPException(503, f"{MAX_READERS} clients read the stream already.")
        if request.method == "HEAD":
            return Response(headers=HEADERS, media_type=EVENT_STREAM)
        return EventStream(feed)

    return Operation(
        "/api/pins/stream", stream, schemas.Pin, errors=(503,), media_type=EVENT_STREAM
    )
