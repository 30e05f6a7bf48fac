"""A client of single protocol messages that keeps the books.

It logs in by MD5, with or without TLS. Its requests raise ServerError for an ERROR and
Lost for the end of the connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final

from bench.soak.books import Books
from pinwatch.wire import messages
from pinwatch.wire.messages import message

PATIENCE: Final = 60.0
"""Seconds until a reply that does not come is a problem."""

SYNC: Final = messages.SYNC_MESSAGE
ABORT: Final = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which close() sends a reset."""


class Lost(Exception):
    """The connection ended; the text is the FATAL error or the operating system's."""


class ServerError(Exception):
    """The reply has an ERROR."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(f"{sqlstate} {text}")
        self.sqlstate = sqlstate


class Wrong(Exception):
    """A reply is not the one to this request."""


@dataclass(frozen=True, slots=True)
class Login:
    """The login of a client."""

    user: str
    password: str
    database: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    @property
    def startup(self) -> bytes:
        pairs = {"user": self.user, "database": self.database, **self.parameters}
        return messages.startup({k.encode(): v.encode() for k, v in pairs.items()})


@dataclass(slots=True)
class Reply:
    """The messages up to a ReadyForQuery, or up to CopyInResponse."""

    messages: list[tuple[int, bytes]]

    @property
    def rows(self) -> list[list[str]]:
        return [_values(b) for kind, b in self.messages if kind == messages.DATA_ROW]

    @property
    def kinds(self) -> str:
        return "".join(chr(kind) for kind, _ in self.messages)

    @property
    def copied(self) -> bytes:
        """The data of a COPY to the client."""
        data = (body for kind, body in self.messages if kind == messages.COPY_DATA)
        return b"".join(data)

    @property
    def in_transaction(self) -> bool:
        return self.messages[-1][1] != bytes([messages.IDLE])


class WireClient:
    """One connection."""

    def __init__(
        self,
        books: Books,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],  # noqa: TID251
    ) -> None:
        self.books = books
        self.reader, self.writer = streams
        self.key = b""  # body of BackendKeyData
        self.pinned = False
        self.left = False

    @classmethod
    async def connect(cls, books: Books, port: int) -> WireClient:
        """Connect without a login. Raises Lost."""
        try:
            streams = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            raise Lost(f"not connected: {error}") from None
        books.connections += 1
        return cls(books, streams)

    @classmethod
    async def login(cls, books: Books, port: int, login: Login) -> WireClient:
        """Connect and log in. Raises Lost, and ServerError for a refused login."""
        client = await cls.connect(books, port)
        try:
            await client.log_in(login)
        except BaseException:
            client.abort()
            raise
        return client

    async def log_in(self, login: Login) -> None:
        self.books.logins.sent += 1
        if login.tls is not None:
            await self._start_tls(login.tls)
        self.send(login.startup)
        await self._authenticate(login)
        reply = await self.reply()
        self.books.logins.answered += 1
        for kind, body in reply.messages:
            if kind == messages.BACKEND_KEY_DATA:
                self.key = body

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        self.send(struct.pack("!II", 8, messages.SSL_REQUEST_CODE))
        try:
            if await self.reader.readexactly(1) != b"S":
                raise Wrong("TLS is not offered")
            await self.writer.start_tls(context, server_hostname="localhost")
        except (OSError, EOFError) as error:
            raise Lost(f"TLS: {error}") from None

    async def _authenticate(self, login: Login) -> None:
        kind, body = await self._receive()
        if kind == messages.ERROR_RESPONSE:
            raise _lost(body)
        if body[:4] != struct.pack("!I", messages.AUTHENTICATION_MD5_PASSWORD):
            raise Wrong(f"MD5 was expected, not {body!r}")
        inner = md5(f"{login.password}{login.user}".encode()).hexdigest()
        proof = b"md5" + md5(inner.encode() + body[4:]).hexdigest().encode()
        self.send(message(messages.PASSWORD, proof + b"\0"))

    def send(self, *sent: bytes) -> None:
        self.writer.write(b"".join(sent))

    async def ask(self, *sent: bytes, syncs: int = 1) -> Reply:
        """Send messages that end in Syncs; return the reply. Raises ServerError."""
        queries = sum(part[0] == messages.QUERY for part in sent)
        statements = queries + sum(part[0] == messages.EXECUTE for part in sent)
        books = self.books
        books.queries.sent += queries
        books.statements.sent += statements
        self.send(*sent)
        error: ServerError | None = None
        received: list[tuple[int, bytes]] = []
        for _ in range(syncs):
            try:
                received += (await self.reply()).messages
            except ServerError as raised:
                error = error or raised
        books.queries.answered += queries
        books.statements.answered += statements
        if error is not None:
            raise error
        return Reply(received)

    async def query(self, sql: str) -> Reply:
        return await self.ask(messages.query(sql.encode()))

    async def pin(self, *sent: bytes, syncs: int = 1) -> Reply:
        """As ask, for statements that pin the session."""
        first, self.pinned = not self.pinned, True
        pins = self.books.pins
        pins.sent += first
        try:
            reply = await self.ask(*sent, syncs=syncs)
        except ServerError:
            self.pinned = not first
            pins.sent -= first  # no connection was borrowed, so it did not run
            raise
        pins.answered += first
        return reply

    async def copy_in(self, sql: str, data: bytes, fail: bool = False) -> None:
        """Run a COPY FROM STDIN. Raises ServerError."""
        await self.ask(messages.query(sql.encode()))
        self.send(message(messages.COPY_DATA, data))
        end = messages.COPY_FAIL if fail else messages.COPY_DONE
        self.send(message(end, b"on purpose\0" if fail else b""))
        await self.reply()

    async def reply(self) -> Reply:
        """Read up to ReadyForQuery or CopyInResponse. Raises ServerError and Lost."""
        received: list[tuple[int, bytes]] = []
        error: ServerError | None = None
        while True:
            kind, body = await self._receive()
            received.append((kind, body))
            if kind == messages.ERROR_RESPONSE:
                fields = messages.error_fields(body)
                if fields["S"] == "FATAL":
                    raise _lost(body)
                error = ServerError(fields["C"], fields["M"])
            elif kind in (messages.READY_FOR_QUERY, messages.COPY_IN_RESPONSE):
                if error is not None:
                    raise error
                return Reply(received)

    async def until(self, kind: int) -> bytes:
        """Read up to a message of this type; return its body. Raises Lost."""
        while True:
            received, body = await self._receive()
            if received == kind:
                return body

    async def _receive(self) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self.reader.readexactly(messages.HEADER.size)
                kind, size = messages.HEADER.unpack(head)
                return kind, await self.reader.readexactly(size - 4)
        except TimeoutError:
            raise Wrong(f"no reply in {PATIENCE:.0f} s") from None
        except (OSError, EOFError) as error:
            raise Lost(f"{type(error).__name__}") from None

    def leave(self) -> None:
        """Send Terminate and close the connection."""
        self.left = True
        self.send(messages.TERMINATE_MESSAGE)
        self.writer.close()

    def abort(self) -> None:
        """Close the connection with a reset, unless the client has left."""
        if self.left:
            return
        found = self.writer.get_extra_info("socket")
        if found is not None and found.fileno() >= 0:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.writer.transport.abort()


async def cancel(books: Books, port: int, key: bytes) -> None:
    """Send a CancelRequest for the client that received this key. Raises Lost."""
    client = await WireClient.connect(books, port)
    code = struct.pack("!II", 8 + len(key), messages.CANCEL_REQUEST_CODE)
    client.send(code + key)
    books.cancels += 1
    try:
        await client.reader.read()  # pinwatch closes it when the request is delivered
    except OSError as error:
        raise Lost(f"{type(error).__name__}") from None
    finally:
        client.writer.close()


def parse(name: str, sql: str) -> bytes:
    return messages.parse(name.encode(), sql.encode() + b"\0\0\0")


def bind(statement: str, *values: str, portal: str = "") -> bytes:
    """Return a Bind with parameters and results in text format."""
    sent = b"".join(struct.pack("!i", len(v)) + v.encode() for v in values)
    names = f"{portal}\0{statement}\0".encode()
    counts = struct.pack("!HH", 0, len(values))
    return message(messages.BIND, names + counts + sent + struct.pack("!H", 0))


def execute(portal: str = "", limit: int = 0) -> bytes:
    return message(messages.EXECUTE, portal.encode() + b"\0" + struct.pack("!I", limit))


def close(statement: str) -> bytes:
    return messages.close_statement(statement.encode())


def _values(row: bytes) -> list[str]:
    values, at = [], 2
    while at < len(row):
        (size,) = struct.unpack_from("!i", row, at)
        at += 4
        values.append(row[at : at + max(size, 0)].decode())
        at += max(size, 0)
    return values


def _lost(body: bytes) -> Lost:
    fields = messages.error_fields(body)
    return Lost(f"{fields['S']} {fields['C']}")
