"""One client of the proxy, from its first byte to its last.

Owns the client's socket and the session's life: its startup, when it borrows a
database connection and when it gives it back, its end. ``client_stream`` reads what
the client sends. Does not know how connections are opened, nor what the server answers.
"""

import ssl
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple, Protocol

from mypy_extensions import mypyc_attr

from pinwatch import errors, events
from pinwatch.auth.client import Conversation
from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters
from pinwatch.errors import (
    ClientError,
    NotAStartupPacket,
    ProtocolViolation,
    connection_failure,
    protocol_violation,
)
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pool.interfaces import NO_POOL, Connection, ConnectionSource, Key
from pinwatch.relay.client_startup import ClientStartup, StartupServices
from pinwatch.relay.client_stream import ClientStream, Release
from pinwatch.relay.database_stream import Client
from pinwatch.relay.interfaces import BorrowedConnection, Session
from pinwatch.relay.parameters import NO_PARAMETERS, Values, of_reading
from pinwatch.relay.pin_state import Pinning
from pinwatch.relay.prepared import ClientStatements
from pinwatch.relay.statements import Registry
from pinwatch.sockets.transport import Receiver, Transport
from pinwatch.tls.stream import EncryptedStream
from pinwatch.wire import messages
from pinwatch.wire.messages import IDLE

LOGIN_BORROW_TIMEOUT: Final = 10.0
"""Seconds that a login may wait for what clients are told, if clients wait less."""
PARAMETERS_MAX_AGE: Final = 0.25
"""Seconds for which the parameters that one client received serve other logins."""
MAX_INPUT: Final = 294_912
"""Bytes kept of a client that waits: a Parse with 65,535 types of parameters."""
IN_A_REQUEST: Final = (
    "The client connection that borrowed this database connection from the "
    "connection pool was closed in the middle of a request."
)


class Phase(Enum):
    STARTUP = "startup"
    LOGIN = "login"
    READY = "ready"
    CLOSED = "closed"


STARTUP: Final = Phase.STARTUP
LOGIN: Final = Phase.LOGIN
READY: Final = Phase.READY
CLOSED: Final = Phase.CLOSED


class CachedParameters(NamedTuple):
    """The parameters that a database connection reported to an earlier client.

    Clients with the same key and startup parameters log in with them, without a
    database connection. They all share this key object, which a dictionary finds faster
    than an equal one. read_at is the clock's time of the report, in seconds.
    """

    key: Key
    reported_parameters: Values
    read_at: float


@mypyc_attr(allow_interpreted_subclasses=True)
class Endpoint(metaclass=ABCMeta):
    """Where the client connected."""

    __slots__ = ("counters", "lender", "name")

    name: str
    counters: EndpointCounters

    lender: ConnectionSource
    """It may be another one at the next borrow."""

    @abstractmethod
    def cached_parameters(
        self, key: Key, parameters: Values
    ) -> CachedParameters | None:
        """Return what was last reported to a client with these startup parameters."""

    @abstractmethod
    def cache_parameters(self, parameters: Values, cached: CachedParameters) -> None:
        """Keep what was reported to a client with these startup parameters."""


class ProxyServices(StartupServices, Protocol):
    """What the proxy has for each of its sessions."""

    registry: Registry
    verdicts: VerdictCache
    database_statements: DatabaseStatements
    every_pin: bool
    clock: Clock

    def now(self) -> datetime:
        """In UTC."""

    def backend_key(self, session: "ClientSession") -> tuple[int, bytes] | None:
        """The key to give the client, if it may cancel."""

    def login_refused(
        self, session: "ClientSession", error: ClientError
    ) -> ClientError:
        """What to tell a client whose login the database refused."""

    def borrow_failed(self, session: "ClientSession", error: ClientError) -> None:
        """The session waited for a connection, and gets this error instead."""

    def release_databases(
        self, databases: frozenset[bytes], done: Callable[[], None]
    ) -> None:
        """Close the idle connections to databases, then call done."""

    def welcomed(self, session: "ClientSession") -> None: ...

    def ended(self, session: "ClientSession") -> None: ...


class ClientSession(Session, Receiver):
    """A client connection and its session."""

    __slots__ = (
        "address",
        "cancel_key",
        "clock",
        "connected",
        "connected_at",
        "connection",
        "encryption",
        "endpoint",
        "number",
        "parameters",
        "phase",
        "pinning",
        "reading_paused",
        "services",
        "startup",
        "transport",
        "waiting",
        "write_paused",
    )

    def __init__(
        self, number: int, services: ProxyServices, endpoint: Endpoint
    ) -> None:
        statements = ClientStatements(services.registry)
        self.number = number
        self.services = services
        self.clock = services.clock
        self.connected_at = services.now()
        self.endpoint = endpoint
        self.pool = NO_POOL
        self.idle_list = self.idle_list_pool = self.wait = None
        self.phase: Phase = STARTUP
        self.key: Key = (b"", b"")
        self.parameters = NO_PARAMETERS
        self.client = Client(statements)
        self.pinning = Pinning(self)
        self.counters = endpoint.counters
        self.traffic = self.counters.plain
        self.stream = ClientStream(
            statements,
            services.verdicts,
            self.pinning,
            self.traffic,
            services.database_statements,
        )
        self.request_started_at = 0.0
        self.connected = self.last_reply_at = self.clock.now
        self.connection: BorrowedConnection | None = None
        self.waiting = False
        self.startup: ClientStartup | None = ClientStartup(self, services)
        self.encryption: EncryptedStream | None = None
        self.reading_paused = False
        self.write_paused = False
        self.address = ""
        self.cancel_key: tuple[int, bytes] | None = None
        self.transport: Transport | None = None

    # From the client.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self.address = _address(transport.ends()[1])
        self.services.observe(
            events.ClientConnected(self.number, self.address, self.endpoint.name)
        )

    def data_received(self, data: bytes) -> None:
        if self.encryption is None:
            self.receive(data)
        elif self.phase is not CLOSED:
            self._decrypt(self.encryption, data)

    def write(self, data: bytes) -> None:
        transport, encryption = self.transport, self.encryption
        assert transport is not None
        transport.write(data if encryption is None else encryption.encrypt(data))

    def receive(self, data: bytes) -> None:
        """What came from the client, in clear; it is told what is wrong with it."""
        try:
            if self.phase is READY:
                self._receive(data)
            elif self.phase is STARTUP:
                self._start_up(data)
            elif self.phase is LOGIN:
                self.stream.input += data
                self._adjust_reading()
        except NotAStartupPacket as violation:
            self.end_silently(protocol_violation(str(violation)))
        except ProtocolViolation as violation:
            self.close(protocol_violation(str(violation)))
        except ClientError as error:
            self.close(error)

    def _start_up(self, data: bytes) -> None:
        assert self.startup is not None
        self.startup.receive(data)

    def prove(self, conversation: Conversation) -> None:
        """The way in which this client is to prove who it is is known at last."""
        if self.phase is not STARTUP or self.startup is None:
            return
        try:
            self.startup.prove(conversation)
        except ClientError as error:
            self.close(error)
        self.receive(b"")

    def _receive(self, data: bytes) -> None:
        stream = self.stream
        connection = self.connection
        self.traffic.received += len(data)
        if not self.request_started_at:
            self.request_started_at = self.clock.now
        if connection is None:
            stream.input = stream.input + data if stream.input else data
            if self.waiting or not self._opens() or not self._borrowed():
                self._adjust_reading()
                return
            data = b""
        elif stream.held:
            stream.input += data
            self._adjust_reading()
            return
        self._forward(data)

    def _opens(self) -> bool:
        """Whether what came wants a connection now."""
        stream = self.stream
        if stream.begins():
            return True
        answers = stream.opening()
        if answers:
            self.write(answers)
        if stream.terminated:
            self._leave(requested=True)
        return stream.needs_connection()

    def _borrowed(self, patience: float = 0) -> bool:
        """Whether the pool lends a connection now rather than later."""
        self.waiting = True
        connection = self.endpoint.lender.borrow(self, patience)
        if connection is None:
            return False
        self._take(connection)
        return True

    def _forward(self, data: bytes) -> None:
        """Send what came on to the server."""
        connection, stream = self.connection, self.stream
        assert connection is not None
        data = stream.forward(data)
        sent = len(data)
        if sent:
            connection.counters.sent += sent
            connection.write(data)
            if not connection.replies.due:
                connection.check()
            elif not connection.request_started_at:
                connection.request_started_at = self.request_started_at
        if stream.input:
            if stream.terminated and not self._awaits_replies():
                self._leave(requested=True)
            release = stream.release
            if release is not None and not release.started:
                self._start_release(release)
            self._adjust_reading()

    def _start_release(self, release: Release) -> None:
        """Go on with the held statement when the databases are released."""
        release.started = True

        def done() -> None:
            release.done = True
            self.answered()

        self.services.release_databases(release.databases, done)

    def _awaits_replies(self) -> bool:
        """Whether the server still executes complete requests."""
        connection = self.connection
        return connection is not None and connection.replies.executing()

    # With a database connection.

    def lend(self, connection: Connection) -> None:
        """The pool has one at last."""
        self._take(connection)
        if self.phase is READY and self.connection is not None:
            self.connection.request_started_at = self.connection.since = self.clock.now
            self.receive(b"")
            self._adjust_reading()

    def _take(self, connection: Connection) -> None:
        self.waiting = False
        borrowed: BorrowedConnection = connection  # type: ignore[assignment]
        self.connection = borrowed
        self.stream.database = borrowed.stream
        self.client.statements.server = borrowed.stream.statements
        if self.write_paused:
            borrowed.pause_reading()
        if borrowed.lent(self, self.parameters, verify=self.phase is LOGIN):
            self.prepared(None)

    def prepared(self, error: ClientError | None) -> None:
        connection = self.connection
        assert connection is not None
        if error is not None:
            self.close(ClientError(error.text, error.sqlstate))
        elif self.phase is LOGIN:
            reported = connection.stream.reported_parameters
            cached = CachedParameters(self.key, reported, self.clock.now)
            self.endpoint.cache_parameters(self.parameters, cached)
            self._give_back()
            self._welcome(reported)
        elif (
            connection.stream.reported_parameters is not self.client.reported_parameters
        ):
            self._report_parameters(connection.stream.reported_parameters)

    def _report_parameters(self, values: Values) -> None:
        """What of the server's settings is not as the client was told last."""
        for name, value in values.differing(self.client.reported_parameters).items():
            self.write(messages.parameter_status(name, value))
        self.client.reported_parameters = values

    def settled(self) -> None:
        stream, connection = self.stream, self.connection
        if connection is None:
            return
        if self.pinning.pinned:
            if self.pinning.state.changes and connection.replies.settled():
                self.pinning.transaction_ended(connection.stream)
            return
        if stream.passing or stream.held:
            return
        if connection.replies.settled() and not connection.cancelling:
            self._give_back()

    def _detach(self) -> BorrowedConnection | None:
        connection, self.connection = self.connection, None
        self.stream.database = self.client.statements.server = None
        return connection

    def replies_finished(self) -> None:
        if self.connection is not None and self.connection.idle_outside_transaction:
            self.settled()
        self._leave(requested=True)

    def _give_back(self) -> None:
        connection = self._detach()
        assert connection is not None
        if self.write_paused:
            connection.resume_reading()
        connection.released()
        self.pool.give_back(connection)

    def answered(self) -> None:
        self.stream.held = False
        self.receive(b"")
        self._adjust_reading()

    def connection_closed(self, fatal_sent: bool) -> None:
        self._detach()
        if fatal_sent:
            self._end()
        else:
            self.close(connection_failure("The database connection was closed."))

    def idle_for(self, now: float) -> float:
        """Seconds since its last request ended; 0 while one is under way.

        now is of the monotonic clock.
        """
        connection = self.connection
        if self.phase is not READY or self.waiting:
            return 0
        if connection is not None and connection.replies.due:
            return 0
        return now - (self.request_started_at or self.last_reply_at)

    @property
    def application_name(self) -> str:
        name = self.client.reported_parameters.values.get(b"application_name", b"")
        return name.decode("utf-8", "replace")

    @property
    def busy(self) -> bool:
        """In a request or a transaction."""
        connection = self.connection
        if connection is None:
            return self.waiting
        return bool(self.stream.passing) or not connection.idle_outside_transaction

    @property
    def pinned(self) -> bool:
        return self.pinning.pinned

    @property
    def pinned_by(self) -> str | None:
        event = self.pinning.event
        return None if event is None else event.rule

    # Refusals and the end.

    def refuse(self, error: ClientError) -> None:
        """No connection could be had for the request that waits."""
        self.waiting = False
        self.services.borrow_failed(self, error)
        if self.phase is LOGIN:
            self.close(self.services.login_refused(self, error))
        else:
            self.write(self.stream.fail(error))
            self.receive(b"")

    def close(self, error: ClientError) -> None:
        """Tell the client why, and end."""
        if self.phase is CLOSED:
            return
        self.write(messages.error_response(errors.FATAL, error.sqlstate, error.text))
        self.end_silently(error)

    def end_silently(self, error: ClientError) -> None:
        """Log the error and end the session without an answer."""
        self.services.observe(
            events.ClientRefused(self.number, error.text, error.sqlstate, error.log)
        )
        self._leave(requested=False)

    def _leave(self, requested: bool) -> None:
        """End the session; the connection that it holds is reset or closed."""
        busy = self.busy
        connection = self._detach()
        self._end(requested)
        if connection is None:
            return
        if busy or connection.cancelling:
            connection.abandon(IN_A_REQUEST, cancel=not requested)
        else:
            connection.reset()

    def _end(self, requested: bool = False) -> None:
        if self.phase is CLOSED:
            return
        self.phase = CLOSED
        self.waiting = False
        self.pool.cancel_borrow(self)
        assert self.transport is not None
        if self.encryption is not None and not self.transport.is_closing():
            self.transport.write(self.encryption.end())
        self.transport.close()
        self.pinning.end()
        self.services.observe(events.ClientClosed(self.number, requested))
        self.services.ended(self)

    def eof_received(self) -> bool:
        if self.startup is not None and self.startup.begun:
            self.end_silently(protocol_violation("incomplete startup packet"))
        return self._finishing()

    def _finishing(self) -> bool:
        """Whether complete requests before a Terminate are still to be answered."""
        if self.phase is not READY:
            return False
        if self.stream.terminated:
            return self._awaits_replies()
        return self.stream.ends_with_terminate()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finishing():
            self._leave(requested=False)
        elif self.write_paused:
            self.resume_writing()
        # What would keep itself alive in a circle, until garbage is collected.
        self.startup = self.encryption = None

    # Backpressure.

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.connection is not None:
            self.connection.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.connection is not None:
            self.connection.resume_reading()

    def connection_full(self) -> None:
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        """Read from the client only while there is room for what it sends."""
        connection, transport = self.connection, self.transport
        pause = len(self.stream.input) > MAX_INPUT or (
            connection is not None and connection.write_paused
        )
        if pause is self.reading_paused or transport is None or transport.is_closing():
            return
        self.reading_paused = pause
        if pause:
            transport.pause_reading()
        else:
            transport.resume_reading()

    # Startup.

    def let_in(self, rest: bytes) -> None:
        self.phase = LOGIN
        assert self.startup is not None
        self.key, self.parameters = self.startup.key, self.startup.parameters
        self.startup = None
        self.client.statements.settings = of_reading(self.parameters)
        self.stream.input = rest
        cached = self.endpoint.cached_parameters(self.key, self.parameters)
        if cached is not None:
            self.key = cached.key
        if cached is not None and self._current(cached):
            self._welcome(cached.reported_parameters)
        else:
            self._borrowed(LOGIN_BORROW_TIMEOUT)

    def _current(self, cached: CachedParameters) -> bool:
        """Whether to log in with these; old ones serve where asking would mean waiting.

        The server's settings can change at any time: by ALTER SYSTEM, a restart or an
        upgrade, which no connection of the pool may have noticed yet.
        """
        age = self.clock.now - cached.read_at
        return age < PARAMETERS_MAX_AGE or self.endpoint.lender.must_wait(self)

    def _welcome(self, reported_parameters: Values) -> None:
        self.client.reported_parameters = reported_parameters
        greeting = [
            messages.parameter_status(*item)
            for item in reported_parameters.values.items()
        ]
        key = self.services.backend_key(self)
        if key is not None:
            greeting.append(messages.backend_key_data(*key))
        greeting.append(messages.ready_for_query(IDLE))
        self.phase = READY
        self.services.observe(
            events.ClientWelcomed(self.number, self.encryption is not None)
        )
        self.services.welcomed(self)
        self.write(b"".join(greeting))
        if self.stream.input:
            self.receive(b"")

    def send_away(self) -> None:
        self._end()

    # Encryption.

    def encrypt(self, stream: EncryptedStream) -> None:
        self.encryption = stream
        self.traffic = self.stream.traffic = self.counters.encrypted

    def decrypt(self, data: bytes) -> None:
        assert self.encryption is not None
        self._decrypt(self.encryption, data)

    def _decrypt(self, stream: EncryptedStream, data: bytes) -> None:
        transport = self.transport
        assert transport is not None
        try:
            plain, answer = stream.receive(data)
        except ssl.SSLError as error:
            transport.write(stream.alert())
            self.encryption = None
            self.close(protocol_violation(f"TLS failed: {error.reason}"))
            return
        if answer:
            transport.write(answer)
        if plain:
            self.receive(plain)
        if stream.ended and self.phase is not CLOSED:
            self._leave(requested=False)


def _address(peer: object) -> str:
    """host:port of a TCP peer; a Unix socket's has no name."""
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"
