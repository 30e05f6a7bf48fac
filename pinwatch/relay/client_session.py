"""One client of the proxy, from its first byte to its last.

Owns the client's socket and the phases of the session. Decides when the session borrows
and returns a database connection, and when the session ends. ``client_stream`` parses
the client's messages. Does not know how connections are opened, nor what the server
sends.
"""

import ssl
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final, Protocol

from pinwatch import errors, events
from pinwatch.clock import Clock
from pinwatch.errors import (
    ClientError,
    NotAStartupPacket,
    ProtocolViolation,
    connection_failure,
    protocol_violation,
)
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pool.interfaces import Key
from pinwatch.relay.client_login import ClientLogin, Endpoint
from pinwatch.relay.client_startup import StartupServices
from pinwatch.relay.client_stream import ClientStream, Release
from pinwatch.relay.database_stream import Client
from pinwatch.relay.interfaces import BorrowedConnection, Session
from pinwatch.relay.parameters import NO_PARAMETERS, Values, of_reading
from pinwatch.relay.pin_state import Pinning
from pinwatch.relay.prepared import ClientStatements
from pinwatch.relay.secure_transport import SecureTransport
from pinwatch.relay.statements import Registry
from pinwatch.sockets.transport import Receiver, Transport
from pinwatch.text import socket_address
from pinwatch.tls.stream import EncryptedStream
from pinwatch.wire import messages
from pinwatch.wire.messages import IDLE

MAX_INPUT: Final = 294_912
"""Bytes buffered for a client that waits, enough for the longest Parse that is kept:
16 KB of text with 65,535 parameter types."""
CLOSED_IN_REQUEST: Final = (
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
NEXT_PHASES: Final = {
    STARTUP: (LOGIN, CLOSED),
    LOGIN: (READY, CLOSED),
    READY: (CLOSED,),
    CLOSED: (),
}


class ProxyServices(StartupServices, Protocol):
    """The services of the proxy that a session uses."""

    registry: Registry
    verdicts: VerdictCache
    database_statements: DatabaseStatements
    every_pin: bool
    clock: Clock

    def now(self) -> datetime:
        """Return the current time in UTC."""

    def suspect_number(self) -> int:
        """Return the number of the next statement that may leave hidden state."""

    def judge(self, sql: bytes, done: Callable[[], None]) -> None:
        """Judge sql in a worker thread, cache the verdict, then call done."""

    def backend_key(self, session: "ClientSession") -> tuple[int, bytes] | None:
        """Return the key of BackendKeyData; None if clients cannot cancel."""

    def login_refused(
        self, session: "ClientSession", error: ClientError
    ) -> ClientError:
        """Return the error for a client whose login the database refused."""

    def borrow_failed(self, session: "ClientSession", error: ClientError) -> None:
        """Record that the session received error in place of a connection."""

    def release_databases(
        self, databases: frozenset[bytes], done: Callable[[], None]
    ) -> None:
        """Close the idle connections to databases, then call done."""

    def logged_in(self, session: "ClientSession") -> None:
        """Record that the session's login is complete."""

    def ended(self, session: "ClientSession") -> None:
        """Record that the session has ended."""


class ClientSession(Session, Receiver):
    """A client connection and its session."""

    __slots__ = (
        "address",
        "cancel_key",
        "clock",
        "connected",
        "connected_at",
        "connection",
        "endpoint",
        "judging",
        "last_received_at",
        "login",
        "parameters",
        "phase",
        "pinning",
        "reading_paused",
        "secure",
        "services",
        "transport",
        "waiting",
        "wants_own",
        "write_paused",
        "write_paused_at",
    )

    def __init__(
        self, number: int, services: ProxyServices, endpoint: Endpoint
    ) -> None:
        super().__init__((b"", b""), endpoint.counters)
        statements = ClientStatements(services.registry)
        self.number = number
        self.services = services
        self.clock = services.clock
        self.connected_at = services.now()
        self.endpoint = endpoint
        self.phase: Phase = STARTUP
        self.parameters = NO_PARAMETERS
        self.client = Client(statements)
        self.pinning = Pinning(self)
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
        self.last_received_at = self.write_paused_at = self.clock.now
        self.connection: BorrowedConnection | None = None
        self.waiting = False
        self.judging: bytes | None = None  # the text that a worker thread judges now
        self.wants_own = False  # needs a connection opened with its startup parameters
        self.login: ClientLogin | None = ClientLogin(self, services, endpoint)
        self.secure: SecureTransport | None = None  # equals transport if TLS is used
        self.reading_paused = False
        self.write_paused = False
        self.address = ""
        self.cancel_key: tuple[int, bytes] | None = None
        self.transport: Transport | None = None

    def __repr__(self) -> str:
        """Return the state in one line, for logs and failing tests."""
        words = [f"ClientSession {self.number} {self.phase.value}"]
        if self.waiting:
            words.append("waiting for a connection")
        if self.connection is not None:
            words.append(f"borrows {self.connection!r}")
        if self.pinned_by is not None:
            words.append(f"pinned by {self.pinned_by}")
        if self.stream.input:
            words.append(f"{len(self.stream.input)} bytes buffered")
        return f"<{', '.join(words)}>"

    def _enter(self, phase: Phase) -> None:
        """Change the phase; raises RuntimeError if NEXT_PHASES does not allow it."""
        if phase not in NEXT_PHASES[self.phase]:
            raise RuntimeError(f"{self!r} cannot become {phase.value}")
        self.phase = phase

    # From the client.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self.address = socket_address(transport.ends()[1], unix="local")
        self.services.observe(
            events.ClientConnected(self.number, self.address, self.endpoint.name)
        )

    def data_received(self, data: bytes) -> None:
        if self.secure is None:
            self.receive(data)
        elif self.phase is not CLOSED:
            self._decrypt(self.secure, data)

    def _decrypt(self, secure: SecureTransport, data: bytes) -> None:
        try:
            decrypted = secure.decrypt(data)
        except ssl.SSLError as error:
            self.transport, self.secure = secure.plain, None
            self.close(protocol_violation(f"TLS failed: {error.reason}"))
            return
        if decrypted:
            self.receive(decrypted)
        if secure.stream.ended and self.phase is not CLOSED:
            self._disconnect(requested=False)

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def receive(self, data: bytes) -> None:
        """Handle decrypted client bytes; protocol errors go to the client as FATAL."""
        try:
            if self.phase is READY:
                self._receive(data)
            elif self.login is not None and self.phase is not CLOSED:
                self._log_in(self.login, data)
        except NotAStartupPacket as violation:
            self.end_silently(protocol_violation(str(violation)))
        except ProtocolViolation as violation:
            self.close(protocol_violation(str(violation)))
        except ClientError as error:
            self.close(error)

    def _log_in(self, login: ClientLogin, data: bytes) -> None:
        if not login.receive(data):
            self.stream.buffer(data)
            self._adjust_reading()

    def _receive(self, data: bytes) -> None:
        stream = self.stream
        connection = self.connection
        self.traffic.received += len(data)
        now = self.last_received_at = self.clock.now
        if not self.request_started_at:
            self.request_started_at = now
        if connection is None:
            if stream.input != b"":
                stream.buffer(data)
            else:
                stream.input = data
            if self.waiting or not self._needs_connection():
                self._adjust_reading()
                return
            own = stream.defaults.exist and stream.needs_own_defaults()
            if not self._try_borrow(own=own):
                self._adjust_reading()
                return
            data = b""
        elif stream.blocked:
            stream.buffer(data)
            self._adjust_reading()
            return
        self._forward(data)

    def _needs_connection(self) -> bool:
        """Return True if the input needs a database connection now.

        Answers or drops messages at the start of the input that need no connection.
        """
        stream = self.stream
        if stream.needed and stream.size < stream.needed:
            return False
        if stream.starts_with_request():
            return True
        answers = stream.answer_without_connection()
        if answers:
            self.write(answers)
        if not stream.size:
            self.request_started_at = 0.0
            self.last_reply_at = self.clock.now
        if stream.terminated:
            self._disconnect(requested=True)
        return stream.needs_connection()

    def _try_borrow(self, min_timeout: float = 0, own: bool = False) -> bool:
        """Borrow a connection; return False if the session has to wait for it.

        own requests a connection opened with the session's startup parameters.
        """
        self.waiting = True
        if own is not self.wants_own:
            self._change_key(own)
        connection: BorrowedConnection | None = self.endpoint.source.borrow(
            self, min_timeout
        )
        if connection is None:
            return False
        self._use_connection(connection)
        return True

    def _change_key(self, own: bool) -> None:
        self.wants_own = own
        shared = self.key[:2]
        self.key = shared + self.parameters.pairs() if own else shared
        self.idle_list = None

    def _forward(self, data: bytes) -> None:
        """Send the input and data to the server, except messages that must wait."""
        connection, stream = self.connection, self.stream
        assert connection is not None
        data = stream.forward(data)
        sent = len(data)
        if sent:
            connection.counters.sent += sent
            connection.write(data)
            if not connection.replies.due.length:
                connection.check_replies()
            elif not connection.request_started_at:
                connection.request_started_at = self.request_started_at
        if stream.judging is not None:
            self._judge(stream.judging)
        if stream.defaults.wants_own_connection and not connection.replies.due.length:
            self._move_to_own_connection()
        elif stream.input != b"":
            if stream.terminated and not self._awaits_replies():
                self._disconnect(requested=True)
            release = stream.release
            if release is not None and not release.started:
                self._start_release(release)
            self._adjust_reading()

    def _judge(self, sql: bytes) -> None:
        """Judge the blocked statement in a worker thread, then unblock the stream."""
        self.stream.judging = None
        if sql != self.judging:
            self.judging = sql
            self.services.judge(sql, self._judged)

    def _judged(self) -> None:
        self.judging = None
        self.unblock()

    def _move_to_own_connection(self) -> None:
        stream = self.stream
        stream.defaults.wants_own_connection = stream.blocked = False
        self._return_connection()
        if self._try_borrow(own=True):
            self._forward(b"")
        self._adjust_reading()

    def _start_release(self, release: Release) -> None:
        """Close idle connections for the blocked statement, then send it."""
        release.started = True

        def done() -> None:
            release.done = True
            self.unblock()

        self.services.release_databases(release.databases, done)

    def _awaits_replies(self) -> bool:
        """Return True while the server executes complete requests."""
        connection = self.connection
        return connection is not None and connection.replies.executing()

    # With a database connection.

    def connection_borrowed(self, connection: BorrowedConnection) -> None:
        """Serve the request that waited for the connection."""
        self._use_connection(connection)
        if self.phase is READY and self.connection is not None:
            self.connection.request_started_at = self.clock.now
            self.receive(b"")
            self._adjust_reading()

    def _use_connection(self, connection: BorrowedConnection) -> None:
        self.waiting = False
        self.connection = connection
        self.stream.database = connection.stream
        self.client.statements.server = connection.stream.statements
        if self.write_paused:
            connection.pause_reading()
        if connection.serve(self, self.parameters, verify=self.phase is LOGIN):
            self.parameters_set(None)

    def parameters_set(self, error: ClientError | None) -> None:
        connection = self.connection
        assert connection is not None
        reported = connection.stream.reported_parameters
        if error is not None:
            self.close(ClientError(error.text, error.sqlstate))
        elif self.login is not None:
            self._return_connection()
            self.login.parameters_reported(reported)
        elif reported is not self.client.reported_parameters:
            self._report_parameters(reported)

    def _report_parameters(self, values: Values) -> None:
        """Send ParameterStatus for each value that differs from the last report."""
        for name, value in values.differing(self.client.reported_parameters).items():
            self.write(messages.parameter_status(name, value))
        self.client.reported_parameters = values

    def became_idle(self) -> None:
        stream, connection = self.stream, self.connection
        if connection is None:
            return
        if self.pinning.pinned:
            if self.pinning.state.changes and connection.replies.settled():
                self.pinning.transaction_ended(connection.stream)
            return
        if stream.passing or stream.blocked:
            return
        if connection.replies.settled() and not connection.cancelling:
            self._return_connection()

    def _detach(self) -> BorrowedConnection | None:
        connection, self.connection = self.connection, None
        self.stream.database = self.client.statements.server = None
        return connection

    def replies_finished(self) -> None:
        if self.connection is not None and self.connection.idle_outside_transaction:
            self.became_idle()
        self._disconnect(requested=True)

    def _return_connection(self) -> None:
        connection = self._detach()
        assert connection is not None
        if self.write_paused:
            connection.resume_reading()
        connection.stop_serving()
        suspects = self.pinning.suspects
        if suspects:
            self.pinning.suspects = {}
            connection.probe(list(suspects.values()))
        elif connection.stream.own:
            connection.reset()
        else:
            self.pool.give_back(connection)

    def unblock(self) -> None:
        self.stream.blocked = False
        self.receive(b"")
        self._adjust_reading()

    def connection_closed(self, fatal_sent: bool) -> None:
        self._detach()
        if fatal_sent:
            self.end()
        else:
            self.close(connection_failure("The database connection was closed."))

    def idle_for(self, now: float) -> float:
        """Return for how many seconds the proxy has waited for the client, at time now.

        The proxy waits for the next request, for the rest of one, or for the client to
        read. Return 0 while the client waits for the proxy or the server.
        """
        connection = self.connection
        if self.phase is not READY or self.waiting:
            return 0
        if self.write_paused:
            return now - self.write_paused_at
        if connection is not None and connection.replies.due:
            return now - self.last_received_at if self._in_mid_request() else 0
        return now - (self.request_started_at or self.last_reply_at)

    def _in_mid_request(self) -> bool:
        """Return True if the server needs the rest of a request from the client."""
        stream, connection = self.stream, self.connection
        assert connection is not None
        half = stream.passing or (stream.input and not stream.blocked)
        return bool(half) or connection.replies.in_request()

    @property
    def application_name(self) -> str:
        name = self.client.reported_parameters.values.get(b"application_name", b"")
        return name.decode("utf-8", "replace")

    @property
    def encrypted(self) -> bool:
        return self.secure is not None

    @property
    def busy(self) -> bool:
        """True in a request or a transaction."""
        connection = self.connection
        if connection is None:
            return self.waiting
        return bool(self.stream.passing) or not connection.idle_outside_transaction

    @property
    def pinned(self) -> bool:
        return self.pinning.pinned

    @property
    def pinned_since(self) -> float:
        return self.pinning.since

    @property
    def pinned_by(self) -> str | None:
        event = self.pinning.event
        return None if event is None else event.rule

    # Refusals and the end.

    def borrow_failed(self, error: ClientError) -> None:
        """Send the error to the client as the answer to its request."""
        self.waiting = False
        self.services.borrow_failed(self, error)
        if self.login is not None:
            self.close(self.services.login_refused(self, error))
        else:
            self.write(self.stream.fail(error))
            self.receive(b"")

    def close(self, error: ClientError) -> None:
        """Send the error to the client as FATAL, then end the session."""
        if self.phase is CLOSED:
            return
        self.write(messages.error_response(errors.FATAL, error.sqlstate, error.text))
        self.end_silently(error)

    def end_silently(self, error: ClientError) -> None:
        """Log the error and end the session without an answer."""
        self.services.observe(
            events.ClientRefused(self.number, error.text, error.sqlstate, error.log)
        )
        self._disconnect(requested=False)

    def _disconnect(self, requested: bool) -> None:
        """End the session, and reset or close its database connection."""
        busy = self.busy
        connection = self._detach()
        self.end(requested)
        if connection is None:
            return
        if busy or connection.cancelling:
            connection.abandon(CLOSED_IN_REQUEST, cancel=not requested)
        else:
            connection.reset()

    def end(self, requested: bool = False) -> None:
        if self.phase is CLOSED:
            return
        self._enter(CLOSED)
        self.waiting = False
        if self.login is not None:
            self.login.stop()
        self.pool.cancel_borrow(self)
        assert self.transport is not None
        self.transport.close()
        self.pinning.end()
        self.services.observe(events.ClientClosed(self.number, requested))
        self.services.ended(self)

    def eof_received(self) -> bool:
        if self.login is not None and self.login.incomplete:
            self.end_silently(protocol_violation("incomplete startup packet"))
        return self._finishing()

    def _finishing(self) -> bool:
        """Return True while complete requests before a Terminate are unanswered."""
        if self.phase is not READY:
            return False
        if self.stream.terminated:
            return self._awaits_replies()
        return self.stream.ends_with_terminate()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finishing():
            self._disconnect(requested=False)
        elif self.write_paused:
            self.resume_writing()
        # Break the remaining reference cycles, so that the session is freed at once.
        if self.secure is not None:
            self.transport = self.secure.plain
        self.login = self.secure = None

    # Backpressure.

    def pause_writing(self) -> None:
        self.write_paused = True
        self.write_paused_at = self.clock.now
        if self.connection is not None:
            self.connection.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.connection is not None:
            self.connection.resume_reading()

    def writability_changed(self) -> None:
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        """Pause reading from the client if its buffer or the server's is full."""
        connection, transport = self.connection, self.transport
        pause = self.stream.size > MAX_INPUT or (
            connection is not None and connection.write_paused
        )
        if pause is self.reading_paused or transport is None or transport.is_closing():
            return
        self.reading_paused = pause
        if pause:
            transport.pause_reading()
        else:
            transport.resume_reading()

    # Login.

    def encrypt(self, stream: EncryptedStream) -> None:
        assert self.transport is not None
        self.secure = SecureTransport(self.transport, stream)
        self.transport = self.secure
        self.traffic = self.stream.traffic = self.counters.encrypted

    def authenticated(self, key: Key, parameters: Values, rest: bytes) -> None:
        self._enter(LOGIN)
        self.key, self.parameters = key, parameters
        self.client.statements.settings = of_reading(parameters)
        self.stream.defaults.become(parameters)
        self.stream.buffer(rest)

    def serves_at_once(self) -> bool:
        return self.endpoint.source.serves_at_once(self)

    def borrow(self, min_timeout: float) -> None:
        self._try_borrow(min_timeout)

    def finish_login(self, reported_parameters: Values) -> None:
        self.client.reported_parameters = reported_parameters
        sent = [
            messages.parameter_status(*item)
            for item in reported_parameters.values.items()
        ]
        key = self.services.backend_key(self)
        if key is not None:
            sent.append(messages.backend_key_data(*key))
        sent.append(messages.ready_for_query(IDLE))
        self._enter(READY)
        self.login = None
        self.services.observe(events.ClientWelcomed(self.number, self.encrypted))
        self.services.logged_in(self)
        self.write(b"".join(sent))
        if self.stream.input:
            self.receive(b"")
