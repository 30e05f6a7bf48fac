"""The startup conversation with a client: encryption, startup packet, authentication.

Owns the order of these steps and the messages that each step accepts. Does not know
sockets, nor what happens after authentication.
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
from pinwatch.wire.messages import PASSWORD, next_message
from pinwatch.wire.startup import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    read_packet,
)

MAX_LOGIN_BYTES: Final = 65_536  # bytes from a client before it is authenticated
TLS_HANDSHAKE: Final = 0x16  # the first byte of direct TLS, without an SSLRequest


class Phase(Enum):
    STARTUP = "startup"
    AUTHENTICATION = "authentication"
    DONE = "done"


class StartupServices(Protocol):
    """The services of the proxy that a startup uses."""

    @property
    def require_tls(self) -> bool:
        """True if clients without TLS are refused."""

    @property
    def tls(self) -> ServerTls | None:
        """The certificate for clients; None if TLS is not offered."""

    def observe(self, event: events.Event) -> None: ...

    def authenticate(
        self, client: "StartupClient", user: str, encrypted: bool
    ) -> Conversation | None:
        """Return the login conversation, or None while credentials are being loaded.

        After None, ``client.start_authentication`` is called later. Raises ClientError
        if the client is refused.
        """

    def cancel(self, request: CancelRequest, delivered: Callable[[], None]) -> bool:
        """Forward the request to the server; return False if it cancels nothing.

        delivered is called once the server has acted on a forwarded request, or cannot
        be reached.
        """


class StartupClient(Protocol):
    """The part of a client that its startup uses."""

    number: int

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def start_authentication(self, conversation: Conversation) -> None:
        """Authenticate the client with the messages of conversation."""

    def encrypt(self, stream: EncryptedStream) -> None:
        """Encrypt both directions, starting with the next byte."""

    def decrypt(self, data: bytes) -> None:
        """Decrypt and handle encrypted bytes that arrived before ``encrypt``."""

    def authenticated(self, rest: bytes) -> None:
        """Continue after authentication; rest holds the bytes that followed it."""

    def disconnect(self) -> None:
        """Close the client connection of a finished CancelRequest."""


class ClientStartup:
    """The startup conversation with one client."""

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
        """True if a startup packet has arrived in part."""
        return self.phase is Phase.STARTUP and bool(self._input)

    @property
    def user(self) -> str:
        return self.key[0].decode("utf-8", "replace")

    def receive(self, data: bytes) -> None:
        """Handle decrypted client bytes; raises ProtocolViolation and ClientError."""
        self._received += len(data)
        self._input += data
        if self._received > MAX_LOGIN_BYTES:
            raise ProtocolViolation("too many bytes before the login is over")
        while self._step():
            pass

    def _step(self) -> bool:
        """Process one message of the input; return False if more bytes are needed."""
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
        """Forward a CancelRequest, and disconnect once the server has acted on it.

        PQcancel returns when its connection closes. If that were earlier, the request
        could cancel the client's next statement.
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

    # Authentication.

    def start_authentication(self, conversation: Conversation) -> None:
        """Send the first authentication request; raises ClientError.

        Bytes that have already arrived are processed by the next ``receive``.
        """
        self._conversation = conversation
        self._converse(lambda: next(conversation))

    def _password(self, conversation: Conversation) -> bool:
        if self._input and self._input[0] != PASSWORD:
            raise ProtocolViolation(
                f"expected password response, got message type {self._input[0]}"
            )
        message = next_message(self._input, MAX_LOGIN_BYTES)
        if message is None:
            return False
        _, body, self._input = message
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
