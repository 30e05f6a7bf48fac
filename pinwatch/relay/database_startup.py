"""The proxy's login to the database: encryption, startup packet, authentication.

Owns the order of these steps. Does not know sockets, nor the use of the connection
after the login.
"""

import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Protocol

from pinwatch.auth.database import LoginRefused, login
from pinwatch.errors import ClientError, ProtocolViolation
from pinwatch.pool.interfaces import Key
from pinwatch.relay.database_stream import client_error
from pinwatch.relay.parameters import NO_PARAMETERS, Values
from pinwatch.tls.certificates import channel_binding
from pinwatch.tls.stream import EncryptedStream
from pinwatch.wire import messages
from pinwatch.wire.messages import (
    AUTHENTICATION,
    BACKEND_KEY_DATA,
    ERROR_RESPONSE,
    INT32,
    PARAMETER_STATUS,
    READY_FOR_QUERY,
    next_message,
    reported_parameter,
    transaction_status,
)

SSL_REQUEST: Final = INT32.pack(8) + INT32.pack(messages.SSL_REQUEST_CODE)


@dataclass(frozen=True, slots=True)
class Encryption:
    """The TLS settings of a target; unless required, the server may refuse TLS."""

    context: ssl.SSLContext
    hostname: str
    required: bool


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The result of a login; key has the process ID and secret of BackendKeyData."""

    reported_parameters: Values
    key: tuple[int, bytes] | None
    status: int


class StartupConnection(Protocol):
    """The part of a database connection that its startup uses."""

    def write(self, data: bytes) -> None:
        """Send bytes to the server."""

    def encrypt(self, stream: EncryptedStream) -> None:
        """Encrypt both directions, starting with the next byte."""

    def logged_in(self, result: LoginResult) -> None:
        """Handle the end of a login that succeeded."""


class DatabaseStartup:
    """One login, with the user, database and startup parameters of key."""

    def __init__(
        self,
        connection: StartupConnection,
        key: Key,
        password: str | None,
        encryption: Encryption | None,
    ) -> None:
        self._connection = connection
        self._key = key
        self._password = password
        self._encryption = encryption
        self._stream: EncryptedStream | None = None
        self._input = b""
        self._reported_parameters = NO_PARAMETERS
        self._backend_key: tuple[int, bytes] | None = None
        self._waits_for_tls = encryption is not None
        self._login: Generator[bytes, bytes, None] | None = None
        self._done = False

    def begin(self) -> None:
        if self._waits_for_tls:
            self._connection.write(SSL_REQUEST)
        else:
            self._start()

    def receive(self, data: bytes) -> bytes:
        """Handle decrypted bytes; return those that follow the login's last message.

        Raises ProtocolViolation, and ClientError if the server refuses the login.
        """
        self._input += data
        if self._waits_for_tls and self._input:
            self._encrypt()
        if self._login is None and self._stream is not None:
            if not self._stream.established:
                return b""
            self._start()
        while not self._done:
            message = next_message(self._input)
            if message is None:
                return b""
            kind, body, self._input = message
            self._message(kind, body)
        return self._input

    def _encrypt(self) -> None:
        """Handle the answer to SSLRequest, which is one byte."""
        encryption = self._encryption
        assert encryption is not None
        answer, self._input = self._input[:1], self._input[1:]
        if answer == b"S":
            if self._input:
                raise ProtocolViolation("unencrypted data after the answer to TLS")
            self._stream = EncryptedStream(
                encryption.context, False, encryption.hostname
            )
            self._waits_for_tls = False
            self._connection.encrypt(self._stream)
        elif answer != b"N":
            raise ProtocolViolation(f"{answer!r} is no answer to SSLRequest")
        elif encryption.required:
            raise ClientError("the server does not support TLS", "08004")
        else:
            self._waits_for_tls = False
            self._start()

    def _start(self) -> None:
        user, database, *startup = self._key
        self._login = login(
            user.decode("utf-8", "replace"),
            self._password,
            encrypted=self._stream is not None,
            channel_binding=self._channel_binding(),
        )
        next(self._login)
        parameters = {b"user": user, b"database": database}
        parameters |= zip(startup[::2], startup[1::2], strict=True)
        self._connection.write(messages.startup(parameters))

    def _channel_binding(self) -> bytes | None:
        certificate = None if self._stream is None else self._stream.peer_certificate
        return None if certificate is None else channel_binding(certificate)

    def _message(self, kind: int, body: bytes) -> None:
        if kind == AUTHENTICATION:
            self._authenticate(body)
        elif kind == PARAMETER_STATUS:
            name, value = reported_parameter(body)
            self._reported_parameters = self._reported_parameters.changed(name, value)
        elif kind == BACKEND_KEY_DATA:
            if len(body) < INT32.size:
                raise ProtocolViolation("invalid BackendKeyData")
            self._backend_key = INT32.unpack_from(body)[0], body[4:]
        elif kind == READY_FOR_QUERY:
            status = transaction_status(body)
            self._done = True
            self._connection.logged_in(
                LoginResult(self._reported_parameters, self._backend_key, status)
            )
        elif kind == ERROR_RESPONSE:
            raise client_error(body)

    def _authenticate(self, body: bytes) -> None:
        assert self._login is not None
        try:
            answer = self._login.send(body)
        except StopIteration:
            return
        except LoginRefused as refusal:
            raise ClientError(str(refusal).rstrip("."), "28000") from None
        if answer:
            self._connection.write(answer)
