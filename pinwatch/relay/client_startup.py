"""What a client says until it is let in: encryption, startup, proof.

Owns the order of these steps, and what may come in each. Does not know sockets, nor
what is done with a client that was let in.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from pinwatch import events
from pinwatch.auth import refusals
from pinwatch.auth.client import Conversation
from pinwatch.auth.refusals import AuthenticationFailed
from pinwatch.errors import ProtocolViolation
from pinwatch.pool.interfaces import Key
from pinwatch.relay.parameters import Values, read_startup
from pinwatch.tls.certificates import ALPN, ServerTls
from pinwatch.tls.stream import EncryptedStream
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, PASSWORD
from pinwatch.wire.startup import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    read_packet,
)

MAX_LOGIN_BYTES: Final = 65_536  # that a client may send before it is let in
TLS_HANDSHAKE: Final = 0x16  # the first byte of a client that speaks TLS at once


class Phase(Enum):
    STARTUP = "startup"
    AUTHENTICATION = "authentication"
    DONE = "done"


class StartupServices(Protocol):
    """What the proxy has for those who want in."""

    require_tls: bool

    @property
    def tls(self) -> ServerTls | None:
        """None where clients are not offered any."""

    def observe(self, event: events.Event) -> None: ...

    def authenticate(
        self, client: "StartupClient", user: str, encrypted: bool
    ) -> Conversation | None:
        """Return the login conversation, or None if ``start_authentication`` follows later.

        Raises ClientError for a client that is refused.
        """

    def cancel(self, request: CancelRequest, delivered: Callable[[], None]) -> bool:
        """Forward the request to the server; return False if it cancels nothing.

        Calls delivered when the server has acted on a forwarded request, or cannot be
        reached.
        """


class StartupClient(Protocol):
    """The client, as its greeting sees it."""

    number: int

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def start_authentication(self, conversation: Conversation) -> None:
        """Take the client through conversation."""

    def encrypt(self, stream: EncryptedStream) -> None:
        """From the next byte on, both ways."""

    def decrypt(self, data: bytes) -> None:
        """Take data as the first that came encrypted."""

    def authenticated(self, rest: bytes) -> None:
        """The greeting is over; rest came after it."""

    def disconnect(self) -> None:
        """The connection has served its purpose."""


class ClientStartup:
    """One client's way in."""

    __slots__ = (
        "_client",
        "_conversation",
        "_direct",
        "_input",
        "_received",
        "_services",
        "encryption",
        "key",
        "parameters",
        "phase",
    )

    key: Key
    parameters: Values

    def __init__(self, client: StartupClient, services: StartupServices) -> None:
        self._client = client
        self._services = services
        self._input = b""
        self._received = 0
        self._direct = False
        self._conversation: Conversation | None = None
        self.encryption: EncryptedStream | None = None
        self.phase = Phase.STARTUP

    @property
    def incomplete(self) -> bool:
        """Whether a packet is half here."""
        return self.phase is Phase.STARTUP and bool(self._input)

    @property
    def user(self) -> str:
        return self.key[0].decode("utf-8", "replace")

    def receive(self, data: bytes) -> None:
        """Raises ProtocolViolation and ClientError."""
        self._received += len(data)
        self._input += data
        if self._received > MAX_LOGIN_BYTES:
            raise ProtocolViolation("too many bytes before the login is over")
        while self._step():
            pass

    def _step(self) -> bool:
        """Whether something of the input was used."""
        if self.phase is Phase.STARTUP:
            return self._startup_packet()
        if self.phase is Phase.AUTHENTICATION and self._conversation is not None:
            return self._password(self._conversation)
        return False

    # Startup.

    def _startup_packet(self) -> bool:
        if self._direct:
            self._check_alpn()
        elif self._input[:1] == bytes((TLS_HANDSHAKE,)) and self.encryption is None:
            return self._encrypt_directly()
        found = read_packet(self._input)
        if found is None:
            return False
        packet, size = found
        self._input = self._input[size:]
        if isinstance(packet, SSLRequest):
            self._encrypt()
        elif isinstance(packet, GSSENCRequest):
            self._client.write(b"N")
        elif isinstance(packet, CancelRequest):
            self._cancel(packet)
        else:
            self._start(packet)
        return True

    def _cancel(self, request: CancelRequest) -> None:
        """The client's connection ends when the server has acted on the request.

        PQcancel returns at that end, and a request that the server reads later would
        cancel the client's next statement.
        """
        self.phase = Phase.DONE
        forwarded = self._services.cancel(request, self._client.disconnect)
        self._services.observe(events.CancelRequested(self._client.number, forwarded))
        if not forwarded:
            self._client.disconnect()

    def _encrypt(self) -> None:
        if self.encryption is not None:
            raise ProtocolViolation("an SSL request on an encrypted connection")
        tls = self._services.tls
        if tls is None:
            self._client.write(b"N")
            return
        if self._input:
            raise ProtocolViolation("received unencrypted data after SSL request")
        self._client.write(b"S")
        self.encryption = EncryptedStream(tls.context, server_side=True)
        self._client.encrypt(self.encryption)

    def _encrypt_directly(self) -> bool:
        tls = self._services.tls
        if tls is None:
            raise ProtocolViolation("a TLS handshake where a startup was expected")
        records, self._input = self._input, b""
        self._direct = True
        self.encryption = EncryptedStream(tls.context, server_side=True)
        self._client.encrypt(self.encryption)
        self._client.decrypt(records)
        return False

    def _check_alpn(self) -> None:
        assert self.encryption is not None
        if self.encryption.protocol != ALPN:
            raise ProtocolViolation(
                "received direct SSL connection request without ALPN protocol "
                "negotiation extension"
            )

    def _start(self, packet: StartupMessage) -> None:
        user, database, self.parameters = read_startup(packet.parameters)
        self.key = user, database
        encrypted = self.encryption is not None
        self._services.observe(
            events.StartupReceived(
                self._client.number,
                self.user,
                database.decode("utf-8", "replace"),
                (3, packet.minor),
                encrypted,
            )
        )
        if self._services.require_tls and not encrypted:
            raise AuthenticationFailed(refusals.TLS_REQUIRED, tls=False)
        if packet.minor or packet.protocol_options:
            self._client.write(
                messages.negotiate_protocol_version(
                    messages.PROTOCOL_3_0, packet.protocol_options
                )
            )
        self.phase = Phase.AUTHENTICATION
        conversation = self._services.authenticate(self._client, self.user, encrypted)
        if conversation is not None:
            self.start_authentication(conversation)

    # Proof.

    def start_authentication(self, conversation: Conversation) -> None:
        """Ask the client for its proof; raises ClientError.

        What it has sent already is looked at with the next ``receive``.
        """
        self._conversation = conversation
        self._converse(lambda: next(conversation))

    def _password(self, conversation: Conversation) -> bool:
        if len(self._input) < HEADER.size:
            return False
        kind, size = HEADER.unpack_from(self._input)
        if kind != PASSWORD:
            raise ProtocolViolation(
                f"expected password response, got message type {kind}"
            )
        if not 4 <= size <= MAX_LOGIN_BYTES:
            raise ProtocolViolation(f"invalid message length {size}")
        if len(self._input) <= size:
            return False
        body, self._input = self._input[5 : size + 1], self._input[size + 1 :]
        self._converse(lambda: conversation.send(body))
        return True

    def _converse(self, step: Callable[[], bytes]) -> None:
        try:
            self._client.write(step())
        except StopIteration as end:
            self._client.write(end.value)
            self.phase = Phase.DONE
            rest, self._input = self._input, b""
            self._client.authenticated(rest)
