"""One query over a blocking connection of its own, for commands that run one query.

Does not know the pool, nor an event loop.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from pinwatch.config.target import Target
from pinwatch.errors import ClientError, ProtocolViolation, reason, unreachable
from pinwatch.relay.database_startup import DatabaseStartup, LoginResult
from pinwatch.relay.database_stream import Row, client_error, columns
from pinwatch.targets.dial import encryption
from pinwatch.tls.stream import EncryptedStream, failure
from pinwatch.wire.messages import (
    DATA_ROW,
    ERROR_RESPONSE,
    READY_FOR_QUERY,
    TERMINATE_MESSAGE,
    next_message,
    query,
)

TIMEOUT: Final = 30.0  # seconds without a byte from the server
CHUNK: Final = 65_536  # bytes
PARAMETERS: Final = (b"client_encoding", b"UTF8", b"application_name", b"pinwatch")


def rows(target: Target, sql: str) -> Iterator[Row]:
    """Log in, run a query, and yield its rows in text format.

    Raises ClientError if the database cannot be reached, or with the error that it
    sends.
    """
    try:
        with closing(_connect(target)) as plain:
            connection = _Connection(plain)
            yield from _rows(connection, _log_in(connection, target), sql)
            connection.write(TERMINATE_MESSAGE)
    except ssl.SSLError as error:
        raise unreachable(failure(error)) from None
    except TimeoutError:
        raise unreachable(f"no answer within {TIMEOUT:.0f} seconds") from None
    except OSError as error:
        raise unreachable(reason(error)) from None
    except ProtocolViolation as violation:
        raise unreachable(f"not the protocol of PostgreSQL: {violation}") from None


def _connect(target: Target) -> socket.socket:
    if target.socket_path is None:
        return socket.create_connection((target.host, target.port), TIMEOUT)
    connecting = socket.socket(socket.AF_UNIX)
    try:
        connecting.settimeout(TIMEOUT)
        connecting.connect(target.socket_path)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _log_in(connection: "_Connection", target: Target) -> bytes:
    """Return the bytes that follow the login's last message."""
    key = target.user.encode(), target.database.encode(), *PARAMETERS
    startup = DatabaseStartup(connection, key, target.password, encryption(target))
    startup.begin()
    rest = b""
    while not connection.is_ready:
        rest = startup.receive(connection.read())
    return rest


def _rows(connection: "_Connection", data: bytes, sql: str) -> Iterator[Row]:
    connection.write(query(sql.encode()))
    while True:
        found = next_message(data)
        if found is None:
            data += connection.read()
            continue
        kind, body, data = found
        if kind == DATA_ROW:
            yield columns(body)
        elif kind == ERROR_RESPONSE:
            raise client_error(body)
        elif kind == READY_FOR_QUERY:
            return


class _Connection:
    """The connection that a DatabaseStartup logs in, over a blocking socket."""

    def __init__(self, plain: socket.socket) -> None:
        self.is_ready = False
        self._plain = plain
        self._stream: EncryptedStream | None = None

    def read(self) -> bytes:
        """Return the next bytes, none if they were for TLS alone."""
        data = self._plain.recv(CHUNK)
        if not data:
            raise ClientError("the server closed the connection", "08006")
        if self._stream is None:
            return data
        decrypted, answer = self._stream.receive(data)
        self._plain.sendall(answer)
        return decrypted

    def write(self, data: bytes) -> None:
        stream = self._stream
        self._plain.sendall(data if stream is None else stream.encrypt(data))

    def encrypt(self, stream: EncryptedStream) -> None:
        self._plain.sendall(stream.start())
        self._stream = stream

    def logged_in(self, result: LoginResult) -> None:
        self.is_ready = True
