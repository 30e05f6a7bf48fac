"""A client that sends single protocol messages, which drivers do not allow.

Owns the messages that tests send, and the parsing of replies. Every read has a timeout.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

from pinwatch.wire import messages
from pinwatch.wire.messages import message
from tests.harness import PATIENCE, Endpoint

FLUSH: Final = message(messages.FLUSH, b"")
SYNC: Final = messages.SYNC_MESSAGE
COPY_DONE: Final = message(messages.COPY_DONE, b"")
TERMINATE: Final = messages.TERMINATE_MESSAGE

Value = str | None


def query(sql: str) -> bytes:
    return messages.query(sql.encode())


def parse(name: str, sql: str, *types: int) -> bytes:
    """Return a Parse; types are the OIDs of its parameters."""
    oids = struct.pack(f"!H{len(types)}I", len(types), *types)
    return messages.parse(name.encode(), sql.encode() + b"\0" + oids)


def bind(statement: str, *values: Value, portal: str = "") -> bytes:
    """Return a Bind with parameters and results in text format."""
    names = f"{portal}\0{statement}\0".encode()
    formats = struct.pack("!HH", 0, len(values))
    return message(
        messages.BIND, names + formats + _values(*values) + struct.pack("!H", 0)
    )


def describe(statement: str) -> bytes:
    return message(messages.DESCRIBE, b"S" + statement.encode() + b"\0")


def describe_portal(portal: str = "") -> bytes:
    return message(messages.DESCRIBE, b"P" + portal.encode() + b"\0")


def execute(portal: str = "", limit: int = 0) -> bytes:
    """Return an Execute for at most limit rows; 0 means all."""
    return message(messages.EXECUTE, portal.encode() + b"\0" + struct.pack("!I", limit))


def close(statement: str) -> bytes:
    return messages.close_statement(statement.encode())


def close_portal(portal: str = "") -> bytes:
    return message(messages.CLOSE, b"P" + portal.encode() + b"\0")


def call(function: int, *values: Value) -> bytes:
    """Return a FunctionCall with arguments and result in text format."""
    head = struct.pack("!IHH", function, 0, len(values))
    return message(
        messages.FUNCTION_CALL, head + _values(*values) + struct.pack("!H", 0)
    )


def copy_data(data: bytes) -> bytes:
    return message(messages.COPY_DATA, data)


def copy_fail(why: str) -> bytes:
    return message(messages.COPY_FAIL, why.encode() + b"\0")


def _values(*values: Value) -> bytes:
    sent = b""
    for value in values:
        data = None if value is None else value.encode()
        sent += struct.pack("!i", -1 if data is None else len(data)) + (data or b"")
    return sent


class Message(NamedTuple):
    kind: int
    body: bytes

    @property
    def row(self) -> tuple[Value, ...]:
        """Return the values of a DataRow in text format."""
        values: list[Value] = []
        at = 2
        while at < len(self.body):
            (size,) = struct.unpack_from("!i", self.body, at)
            at += 4
            values.append(None if size < 0 else self.body[at : at + size].decode())
            at += max(size, 0)
        return tuple(values)

    @property
    def columns(self) -> list[str]:
        """Return the column names of a RowDescription."""
        names = []
        at = 2
        while at < len(self.body):
            end = self.body.index(b"\0", at)
            names.append(self.body[at:end].decode())
            at = end + 19
        return names


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's messages, usually up to a ReadyForQuery."""

    messages: list[Message]

    @property
    def kinds(self) -> str:
        """The message types in order, as one letter each."""
        return "".join(chr(m.kind) for m in self.messages)

    @property
    def rows(self) -> list[tuple[Value, ...]]:
        return [m.row for m in self.messages if m.kind == messages.DATA_ROW]

    @property
    def value(self) -> Value:
        """The value of a reply with one row of one column."""
        ((value,),) = self.rows
        return value

    @property
    def columns(self) -> list[list[str]]:
        return [m.columns for m in self.messages if m.kind == messages.ROW_DESCRIPTION]

    @property
    def tags(self) -> list[str]:
        return [
            m.body[:-1].decode()
            for m in self.messages
            if m.kind == messages.COMMAND_COMPLETE
        ]

    @property
    def errors(self) -> list[tuple[str, str, str]]:
        """Severity, SQLSTATE and text of each ErrorResponse."""
        return self._fields(messages.ERROR_RESPONSE)

    @property
    def notices(self) -> list[tuple[str, str, str]]:
        return self._fields(messages.NOTICE_RESPONSE)

    @property
    def statuses(self) -> dict[str, str]:
        """The parameters of the ParameterStatus messages."""
        pairs = (
            m.body.decode().split("\0")
            for m in self.messages
            if m.kind == messages.PARAMETER_STATUS
        )
        return {name: value for name, value, _ in pairs}

    @property
    def status(self) -> str:
        """The transaction status of the last ReadyForQuery."""
        last = self.messages[-1]
        assert last.kind == messages.READY_FOR_QUERY
        return last.body.decode()

    def _fields(self, kind: int) -> list[tuple[str, str, str]]:
        errors = [
            messages.error_fields(m.body) for m in self.messages if m.kind == kind
        ]
        return [(fields["V"], fields["C"], fields["M"]) for fields in errors]


class WireClient:
    """A connection to an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(f"{endpoint.host}/.s.PGSQL.{endpoint.port}")
        else:
            self.socket = socket.create_connection(
                (endpoint.host, endpoint.port), PATIENCE
            )
        self.endpoint = endpoint
        self.received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.vanish()

    @classmethod
    def login(cls, endpoint: Endpoint, **parameters: str) -> "WireClient":
        """Connect and log in with these startup parameters."""
        client = cls(endpoint)
        try:
            client.start(**parameters)
        except BaseException:
            client.vanish()
            raise
        return client

    def start(self, **parameters: str) -> Reply:
        """Log in; return the messages up to ReadyForQuery."""
        login = {"user": self.endpoint.user, "database": self.endpoint.database}
        self.send(startup(login | parameters))
        reply = self.reply()
        assert reply.messages[0] == (messages.AUTHENTICATION, b"\0\0\0\0"), reply.errors
        return reply

    def send(self, *sent: bytes) -> None:
        self.socket.sendall(b"".join(sent))

    def ask(self, *sent: bytes) -> Reply:
        """Send messages; return the reply up to ReadyForQuery."""
        self.send(*sent)
        return self.reply()

    def query(self, sql: str) -> Reply:
        return self.ask(query(sql))

    def run(self, statement: str, *values: Value) -> Reply:
        """Send Bind, Execute and Sync; return the reply."""
        return self.ask(bind(statement, *values), execute(), SYNC)

    def reply(self, last: int = messages.READY_FOR_QUERY) -> Reply:
        """Read up to a message of type last, and return the messages."""
        read = [self.receive()]
        while read[-1].kind != last:
            read.append(self.receive())
        return Reply(read)

    def rest(self) -> Reply:
        """Read until the connection is closed, and return the messages."""
        read = []
        while True:
            try:
                read.append(self.receive())
            except EOFError:
                return Reply(read)

    def receive(self) -> Message:
        """Receive one message; raises EOFError if the connection is closed."""
        kind, size = messages.HEADER.unpack(self.read(5))
        return Message(kind, self.read(size - 4))

    def read(self, size: int) -> bytes:
        """Receive exactly size bytes."""
        while len(self.received) < size:
            data = self.socket.recv(max(size - len(self.received), 65_536))
            if not data:
                raise EOFError(f"the connection ended after {bytes(self.received)!r}")
            self.received += data
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    def leave(self) -> None:
        """Send Terminate and close the connection."""
        self.send(TERMINATE)
        self.socket.close()

    def vanish(self) -> None:
        """Close the connection without a Terminate."""
        self.socket.close()


def startup(
    parameters: Mapping[str, str], version: int = messages.PROTOCOL_3_0
) -> bytes:
    pairs = {name.encode(): value.encode() for name, value in parameters.items()}
    return messages.startup(pairs, version)
