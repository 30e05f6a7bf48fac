"""A PostgreSQL client with little overhead, for COPY and for many idle clients.

It logs in without a password, sends simple queries, copies in and out, and counts
bytes. It does not parse rows or types.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterable
from typing import Final, cast

ERROR_RESPONSE: Final = ord("E")
READY_FOR_QUERY: Final = ord("Z")
COPY_IN_RESPONSE: Final = ord("G")
AUTHENTICATION: Final = ord("R")

_COPY_DONE: Final = b"c\x00\x00\x00\x04"
_TERMINATE: Final = b"X\x00\x00\x00\x04"


class Refused(Exception):
    """The server sent an error, requested a password, or closed the connection."""


class Client(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, user: str, database: str) -> None:
        parameters = f"user\0{user}\0database\0{database}\0\0".encode()
        self._startup = struct.pack("!ii", len(parameters) + 8, 3 << 16) + parameters
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[int] = self._loop.create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._error = ""
        self._skip = 0
        self._partial = b""
        self.bytes_received = 0
        self.answered_at = 0.0  # by time.monotonic(): the loop's clock is coarse

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._startup)

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self._error = self._error or "the connection was closed"
        self._settle()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Walk from header to header, and parse four kinds of message only."""
        self.bytes_received += len(data)
        if self._partial:
            data = self._partial + data
            self._partial = b""
        at, end = self._skip, len(data)
        while at + 5 <= end:
            kind = data[at]
            after = at + 1 + int.from_bytes(data[at + 1 : at + 5], "big")
            if kind in (READY_FOR_QUERY, COPY_IN_RESPONSE):
                self._settle()
            elif kind == ERROR_RESPONSE:
                self._error = data[at + 5 : after].replace(b"\0", b" ").decode()
            elif kind == AUTHENTICATION and any(data[at + 5 : after]):
                self._error = "the server requested a password"
                self._transport.abort()
            at = after
        if at < end:
            self._partial, self._skip = data[at:], 0
        else:
            self._skip = at - end

    def _settle(self) -> None:
        self.answered_at = time.monotonic()
        if self._answer.done():
            return
        if self._error:
            self._answer.set_exception(Refused(self._error))
        else:
            self._answer.set_result(self.bytes_received)

    async def ready(self) -> int:
        """Wait for the end of the reply; return all bytes received. Raises Refused."""
        return await self._answer

    def ask(self, sql: str) -> None:
        """Send a simple query; `ready` waits for its reply."""
        body = sql.encode() + b"\0"
        self._answer = self._loop.create_future()
        self._transport.write(b"Q" + struct.pack("!i", len(body) + 4) + body)

    async def query(self, sql: str) -> int:
        """Run a simple query; return the bytes of its reply. Raises Refused."""
        before = self.bytes_received
        self.ask(sql)
        return await self.ready() - before

    async def copy_in(self, sql: str, messages: Iterable[bytes]) -> None:
        """Run a COPY FROM STDIN and send these CopyData messages. Raises Refused."""
        await self.query(sql)
        self._answer = self._loop.create_future()
        for message in messages:
            self._transport.write(message)
            if not self._writable.is_set():
                await self._writable.wait()
        self._transport.write(_COPY_DONE)
        await self.ready()

    def close(self) -> None:
        """Send a Terminate and close the connection."""
        if not self._transport.is_closing():
            self._transport.write(_TERMINATE)
            self._transport.close()


async def connect(port: int, user: str, database: str) -> Client:
    """Return a client on the loopback address, logged in. Raises Refused or OSError."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client(user, database), "127.0.0.1", port
    )
    await client.ready()
    return client


def copy_data(payload: bytes) -> bytes:
    """Return a CopyData message."""
    return b"d" + struct.pack("!i", len(payload) + 4) + payload
