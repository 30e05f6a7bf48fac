"""One connection to the target: its socket, its login, its end.

Owns the phases of the connection and the proxy's own queries on it. ``database_stream``
parses the server's messages; the connection writes the replies to the session that
borrows it. Does not know what clients send.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from mypy_extensions import i64

from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters, Histogram, TargetCounters
from pinwatch.errors import ClientError, ProtocolViolation, connection_failure
from pinwatch.hidden.probe import State
from pinwatch.pool.interfaces import Key
from pinwatch.relay.database_startup import DatabaseStartup, Encryption, LoginResult
from pinwatch.relay.database_stream import (
    UNDEFINED_STATEMENT,
    Answer,
    DatabaseStream,
    Row,
)
from pinwatch.relay.interfaces import BorrowedConnection, Session
from pinwatch.relay.parameters import (
    NO_INIT_QUERY,
    NO_PARAMETERS,
    InitQuery,
    Values,
    own_parameters,
    switch,
)
from pinwatch.relay.secure_transport import SecureTransport
from pinwatch.relay.statements import Registry
from pinwatch.relay.suspects import Suspect
from pinwatch.sockets.transport import Receiver, Transport
from pinwatch.text import socket_address
from pinwatch.tls.stream import EncryptedStream, failure
from pinwatch.wire.messages import (
    IDLE,
    TERMINATE_MESSAGE,
)


class Phase(Enum):
    CONNECTING = "connecting"
    AUTHENTICATION = "authentication"
    READY = "ready"
    PROBING = "probing"
    RESETTING = "resetting"
    CLOSING = "closing"
    CLOSED = "closed"


CLOSING: Final = Phase.CLOSING
NEXT_PHASES: Final = {
    Phase.CONNECTING: (Phase.AUTHENTICATION, Phase.CLOSED),
    Phase.AUTHENTICATION: (Phase.READY, Phase.CLOSED),
    Phase.READY: (Phase.PROBING, Phase.RESETTING, CLOSING, Phase.CLOSED),
    Phase.PROBING: (Phase.READY, Phase.RESETTING, CLOSING, Phase.CLOSED),
    Phase.RESETTING: (Phase.READY, CLOSING, Phase.CLOSED),
    CLOSING: (Phase.CLOSED,),
    Phase.CLOSED: (Phase.CLOSED,),
}
SESSION_GONE: Final = (
    "It was opened with the startup parameters of a client that is gone."
)
NO_LATENCIES: Final = Histogram()  # in use until the first session is served


class Owner(Protocol):
    """The owner of a connection: opens it, and keeps it in a pool."""

    name: str
    """The name of the target."""

    counters: TargetCounters
    clock: Clock

    def opened(self, connection: DatabaseConnection) -> None:
        """Record that the login has succeeded."""

    def failed(self, connection: DatabaseConnection, error: ClientError) -> None:
        """Record that the login failed.

        error has the server's SQLSTATE, or the proxy's: 08004 (TLS), 08006 or 28000.
        """

    def reset_started(self, connection: DatabaseConnection) -> None:
        """Record that the connection discards the state of a session that has left."""

    def reset_done(self, connection: DatabaseConnection) -> None:
        """Record that the connection can be borrowed again."""

    def probe(self, connection: DatabaseConnection, suspects: list[Suspect]) -> None:
        """Look for state that suspects left; then call ``probed`` or ``reset``."""

    def interrupt(
        self,
        connection: DatabaseConnection,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send a cancel request for the statement that the connection runs.

        delivered is called once the server has acted on the request, or cannot be
        reached.
        """

    def kill(self, connection: DatabaseConnection, reason: str) -> None:
        """Abort the connection now, even if a session uses it."""

    def closing(self, connection: DatabaseConnection, cancel: bool) -> None:
        """Record that the connection is closing; with cancel, cancel its statement."""

    def closed(self, connection: DatabaseConnection, reason: str) -> None:
        """Record that the connection is closed."""

    def object_in_use(self, connection: DatabaseConnection, text: str) -> None:
        """Record that the server refused a statement because a database is in use.

        text is the server's message, which names the database.
        """


class DatabaseConnection(BorrowedConnection, Receiver):
    """A connection to the target as one user in one database."""

    __slots__ = (
        "applied_parameters",
        "backend_key",
        "borrows",
        "clock",
        "hidden_state",
        "init_query",
        "initial_state",
        "latencies",
        "measured",
        "owner",
        "phase",
        "probe_failed",
        "reason",
        "secure",
        "session",
        "startup",
        "statements",
        "target",
        "transport",
    )

    def __init__(
        self,
        number: int,
        key: Key,
        password: str | None,
        registry: Registry,
        max_statements: int,
        owner: Owner,
        encryption: Encryption | None = None,
        init_query: InitQuery = NO_INIT_QUERY,
    ) -> None:
        super().__init__(key)
        self.number = number
        self.owner = owner
        self.clock = owner.clock
        self.startup: DatabaseStartup | None = DatabaseStartup(
            self, key, password, encryption
        )
        self.secure: SecureTransport | None = None  # equals transport if TLS is used
        self.phase = Phase.CONNECTING
        self.session: Session | None = None
        self.stream = DatabaseStream(registry, max_statements, owner.counters)
        self.replies = self.stream.replies
        if len(key) > 2:
            self.stream.own = True
            self.stream.parameters = own_parameters(key[2:], init_query)
        self.statements = self.stream.statements
        self.backend_key: tuple[int, bytes] | None = None
        self.init_query = init_query
        # The server's reports when the session's parameters had been set.
        self.applied_parameters = NO_PARAMETERS
        # The state after the login, if it was probed, and what clients have added.
        self.initial_state: frozenset[State] | None = None
        self.hidden_state: frozenset[State] = frozenset()
        self.probe_failed = False  # the one after the login
        self.counters = owner.counters
        self.target = owner.name
        self.measured: EndpointCounters | None = None  # owner of latencies
        self.latencies = NO_LATENCIES
        self.request_started_at = 0.0
        self.state_since = self.clock.now
        self.borrows: i64 = 0
        self.cancelling = 0
        self.write_paused = False
        self.reason = "The TCP channel was closed by either the database or the proxy."
        self.transport: Transport | None = None

    def __repr__(self) -> str:
        """Return the state in one line, for logs and failing tests."""
        status = chr(self.stream.status)
        words = f"{self.number} {self.phase.value}, status {status}, {self.replies!r}"
        return f"<DatabaseConnection {words}>"

    def _enter(self, phase: Phase) -> None:
        """Change the phase; raises RuntimeError if NEXT_PHASES does not allow it."""
        if phase not in NEXT_PHASES[self.phase]:
            raise RuntimeError(f"{self!r} cannot become {phase.value}")
        self.phase = phase

    # Opening.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self._enter(Phase.AUTHENTICATION)
        assert self.startup is not None
        self.startup.begin()

    def encrypt(self, stream: EncryptedStream) -> None:
        assert self.transport is not None
        self.transport.write(stream.start())
        self.transport = self.secure = SecureTransport(self.transport, stream)

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def logged_in(self, result: LoginResult) -> None:
        self.startup = None
        self._enter(Phase.READY)
        self.backend_key = result.key
        self.stream.reported_parameters = result.reported_parameters
        self.stream.status = result.status
        self.owner.opened(self)

    def _log_in(self, startup: DatabaseStartup, data: bytes) -> bytes:
        """Pass data to the login; return the bytes that follow its last message."""
        try:
            return startup.receive(data)
        except ClientError as error:
            self._enter(Phase.CLOSED)
            self.abort()
            self.owner.failed(self, error)
            return b""

    # Serving a session.

    @property
    def idle_outside_transaction(self) -> bool:
        """True if no reply is due and the server is not in a transaction."""
        stream = self.stream
        return stream.status == IDLE and self.replies.settled()

    @property
    def in_transaction(self) -> bool:
        """True if the server is in a transaction, which may have failed."""
        return self.stream.status != IDLE

    @property
    def pinned_by(self) -> str | None:
        return None if self.session is None else self.session.pinned_by

    def serve(self, session: Session, parameters: Values, verify: bool) -> bool:
        self.session = session
        self.borrows += 1
        stream = self.stream
        before = stream.parameters
        if before is parameters and not (verify and self.borrows > 1):
            return True
        stream.parameters = parameters
        self.write(
            stream.ask(
                switch(before, parameters, self.init_query), self._parameters_set
            )
        )
        return False

    def _parameters_set(self, _row: Row, error: ClientError | None) -> None:
        if error is not None:
            self.stream.parameters = None
        self.applied_parameters = self.stream.reported_parameters
        if self.session is not None:
            self.session.parameters_set(error)

    def stop_serving(self) -> None:
        self.session = None

    def probe(self, suspects: list[Suspect]) -> None:
        self._enter(Phase.PROBING)
        self.owner.probe(self, suspects)

    def probed(self) -> None:
        """Record that the probe has ended; what the session left stays."""
        self._enter(Phase.READY)

    def reset(self) -> None:
        if self.stream.own:
            self.close(SESSION_GONE)
            return
        self.session = None
        self._enter(Phase.RESETTING)
        self.owner.reset_started(self)
        self.resume_reading()
        self.write(self.stream.ask(b"DISCARD ALL", self._reset_done))

    def _reset_done(self, _row: Row, error: ClientError | None) -> None:
        if error is not None:
            self.close(f"The session reset failed: {error.text}")
            return
        self.statements.clear()
        self.stream.parameters = NO_PARAMETERS
        if self.init_query.sql:
            self.initialise(self._reset_initialised)
        else:
            self._reset_initialised(None)

    def _reset_initialised(self, error: ClientError | None) -> None:
        if error is not None:
            self.close(f"The init query failed: {error.text}")
            return
        self._enter(Phase.READY)
        self.applied_parameters = self.stream.reported_parameters
        self.hidden_state = frozenset()
        self.owner.reset_done(self)

    def initialise(self, done: Callable[[ClientError | None], None]) -> None:
        """Run the init query; done receives its error or None.

        The connection must be idle.
        """
        self.ask(self.init_query.sql, lambda _row, error: done(error))

    def ask(self, sql: bytes, answer: Answer) -> None:
        """Run sql for the proxy; answer receives its result.

        The connection must be idle.
        """
        self.write(self.stream.ask(sql, answer))

    # What the server sends.

    def data_received(self, data: bytes) -> None:
        try:
            if self.secure is not None:
                data = self.secure.decrypt(data)
            if self.startup is not None:
                data = self._log_in(self.startup, data)
            if data != b"" and self.phase is not CLOSING:
                self._receive(data)
        except ProtocolViolation as violation:
            self.reason = f"The database sent what is not the protocol: {violation}."
            self.abort()
        except ssl.SSLError as error:
            self.reason = f"{failure(error)}."
            if isinstance(error, ssl.SSLCertVerificationError):
                self.owner.failed(self, ClientError(self.reason, "08004"))
            self.abort()

    def _receive(self, data: bytes) -> None:
        stream = self.stream
        while True:
            session = self.session
            if session is None:
                stream.receive(data, None)
                if stream.fatal is not None:
                    self.owner.kill(self, self.reason)
            else:
                self.counters.received += len(data)
                data = stream.receive(data, session.client)
                sent = len(data)
                if sent:
                    session.traffic.sent += sent
                    session.write(data)
                if stream.in_use:
                    self._report_in_use()
            if not stream.done:
                break
            stream.deliver_answer()
            if not stream.partial or self.phase is CLOSING:
                break
            data = b""
        self.check_replies()
        if session is not None and session.stream.blocked:
            session.unblock()

    def _report_in_use(self) -> None:
        text, self.stream.in_use = self.stream.in_use, ""
        self.owner.object_in_use(self, text)

    def check_replies(self) -> None:
        """Notify the session if all of its requests are answered.

        Before that, send the proxy's own queries that have to follow the requests.
        """
        stream, replies, session = self.stream, self.replies, self.session
        if replies.due.length:
            return
        if self.request_started_at:
            self._note_latency()
        if session is None or stream.partial != b"" or stream.passing:
            return
        if session.stream.terminated:
            session.replies_finished()
            return
        if session.stream.defaults.restoring is not None:
            self._restore_startup_values(session)
            return
        if stream.status != IDLE:
            return
        if replies.needs_fence or replies.needs_reset_query:
            self._resolve_doubts(session)
        elif session.client.statements.doubtful_unnamed is not None:
            self._resolve_unnamed(session)
        else:
            session.became_idle()

    def _restore_startup_values(self, session: Session) -> None:
        if self.replies.in_request():
            return
        sql = session.stream.defaults.restore(self.stream.status)
        if sql:
            self.write(self.stream.ask(sql, self._parameters_set))

    def _resolve_doubts(self, session: Session) -> None:
        """Send the fence or the reset query that is needed, unless a request is open.

        If both are needed, neither is sent, and the session keeps the connection.
        """
        stream, replies = self.stream, self.replies
        if replies.in_request() or session.stream.passing:
            return
        if not replies.needs_reset_query:
            self.write(stream.fence(keep=session.pinned))
        elif not replies.needs_fence:
            self.write(stream.reset_query())

    def _resolve_unnamed(self, session: Session) -> None:
        """Ask the server whether it has the doubtful unnamed statement.

        The session may return the connection now, and another connection could not
        tell.
        """
        if self.replies.in_request() or session.stream.passing:
            return
        statements = session.client.statements
        if self.statements.unnamed is not statements.doubtful_unnamed:
            statements.resolve_unnamed(exists=True)
            session.became_idle()
            return

        def described(_row: Row, error: ClientError | None) -> None:
            exists = error is None or error.sqlstate != UNDEFINED_STATEMENT
            statements.resolve_unnamed(exists)

        self.write(self.stream.describe_unnamed(described))

    def _note_latency(self) -> None:
        now, session = self.clock.now, self.session
        if session is not None:
            counters = session.counters
            if counters is not self.measured:
                self.measured = counters
                self.latencies = counters.of_database(self.target)
            self.latencies.observe(now - self.request_started_at)
            counters.query_latency.observe(now - session.request_started_at)
            session.request_started_at = 0.0
            session.last_reply_at = now
        self.request_started_at = 0.0

    def cancel(self, delivered: Callable[[], None]) -> None:
        """Send a cancel request for the running statement; see ``Owner.interrupt``."""
        self.owner.interrupt(self, delivered)

    # The end.

    def close(self, reason: str) -> None:
        """Close a connection that no session uses."""
        self._close(reason, cancel=False)

    def abandon(self, reason: str, cancel: bool) -> None:
        self._close(reason, cancel and bool(self.replies.due))

    def _close(self, reason: str, cancel: bool) -> None:
        self.session = None
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self.reason = reason
        self._enter(Phase.CLOSING)
        self.owner.closing(self, cancel)
        transport = self.transport
        assert transport is not None
        transport.resume_reading()
        self.write(TERMINATE_MESSAGE)
        transport.write_eof()

    def abort(self) -> None:
        """Close the socket now, without a Terminate."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        before = self.phase
        self._enter(Phase.CLOSED)
        session, self.session = self.session, None
        fatal = self.stream.fatal
        if before in (Phase.CONNECTING, Phase.AUTHENTICATION):
            self.owner.failed(self, connection_failure(self.reason))
        elif before is not Phase.CLOSED:
            if fatal is not None:
                self.reason = f"The database ended it: {fatal.text}"
            self.owner.closed(self, self.reason)
        if session is not None:
            session.connection_closed(self.stream.fatal_sent)

    def ends(self) -> tuple[str, str]:
        """Return the proxy's and the database's address of the connection."""
        assert self.transport is not None
        local, remote = self.transport.ends()
        return socket_address(local, str(local)), socket_address(remote, str(remote))

    # Backpressure.

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.session is not None:
            self.session.writability_changed()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.session is not None:
            self.session.writability_changed()

    def pause_reading(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
