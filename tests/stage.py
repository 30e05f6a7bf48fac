"""Clients, a pool and servers on fake sockets, without an event loop.

A test sends bytes at one end and reads what arrives at the other. The clock stands
still until a test sets it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from pinwatch import events
from pinwatch.auth.client import Conversation, login
from pinwatch.auth.credentials import Credentials
from pinwatch.auth.iam import no_verifier
from pinwatch.auth.refusals import no_credentials
from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters, TargetCounters
from pinwatch.errors import ClientError
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pool.interfaces import ConnectionSource, Key
from pinwatch.pool.pool import Pool
from pinwatch.relay.client_login import CachedParameters, Endpoint
from pinwatch.relay.client_session import ClientSession
from pinwatch.relay.client_startup import StartupClient
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.relay.parameters import Values
from pinwatch.relay.statements import Registry
from pinwatch.relay.suspects import Suspect
from pinwatch.sockets.transport import Transport
from pinwatch.tls.certificates import ServerTls
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER
from pinwatch.wire.startup import CancelRequest

AUTHENTICATED = messages.authentication(messages.AUTHENTICATION_OK)
READY = messages.ready_for_query(messages.IDLE)
IN_TRANSACTION = messages.ready_for_query(messages.IN_TRANSACTION)


class Wire(Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        assert not self.closed, "write on a closed transport"
        self.written.append(data)

    def read(self) -> bytes:
        """Return the bytes written since the last call."""
        data = b"".join(self.written)
        self.written.clear()
        return data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def ends(self) -> tuple[object, object]:
        return ("127.0.0.1", 5678), ("127.0.0.1", 1234)


class Server:
    """The far end of a database connection."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self.connection = connection
        self.wire = Wire()
        connection.connection_made(self.wire)

    def __repr__(self) -> str:
        return f"<Server of {self.connection!r}>"

    def greet(self, parameters: dict[bytes, bytes] | None = None) -> None:
        """Complete the proxy's login, with these parameters."""
        self.wire.read()
        statuses = (
            messages.parameter_status(*item) for item in (parameters or {}).items()
        )
        self.send(
            AUTHENTICATED,
            *statuses,
            messages.backend_key_data(7, b"key!"),
            READY,
        )

    def read(self) -> bytes:
        return self.wire.read()

    def send(self, *replies: bytes) -> None:
        self.connection.data_received(b"".join(replies))

    def vanish(self) -> None:
        self.wire.closed = True
        self.connection.connection_lost(None)


class Client:
    """The far end of a client session."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.wire = Wire()
        session.connection_made(self.wire)

    def __repr__(self) -> str:
        return f"<Client of {self.session!r}>"

    def send(self, *sent: bytes) -> None:
        self.session.data_received(b"".join(sent))

    def read(self) -> bytes:
        return self.wire.read()

    def vanish(self) -> None:
        self.wire.closed = True
        self.session.connection_lost(None)


class StageEndpoint(Endpoint):
    """An endpoint without a socket."""

    def __init__(self, source: ConnectionSource[DatabaseConnection]) -> None:
        self.name = "default"
        self.source = source
        self.counters = EndpointCounters()
        self.parameter_cache: dict[tuple[Key, Values], CachedParameters] = {}

    def cached_parameters(
        self, key: Key, parameters: Values
    ) -> CachedParameters | None:
        return self.parameter_cache.get((key, parameters))

    def cache_parameters(self, parameters: Values, cached: CachedParameters) -> None:
        self.parameter_cache[cached.key, parameters] = cached


class Stage:
    """A proxy without sockets; on_open handles each new database connection."""

    name = "default"

    def __init__(
        self, max_connections: int = 1, max_statements: int = 100, timeout: float = 120
    ) -> None:
        self.clock = Clock()
        self.clock.now = 0.0
        self.events: list[events.Event] = []
        self.servers: list[Server] = []
        self.cancelled: list[DatabaseConnection] = []
        self.failures: list[ClientError] = []
        self.ended_sessions: list[ClientSession] = []
        self.registry = Registry(b"pinwatch_test_", random=lambda size: "00" * size)
        self.verdicts = VerdictCache()
        self.database_statements = DatabaseStatements()
        self.counters = TargetCounters()
        self.credentials = Credentials()
        self.tls: ServerTls | None = None
        self.require_tls = False
        self.every_pin = False
        self.max_statements = max_statements
        self.to_judge: list[tuple[bytes, Callable[[], None]]] = []
        self.soon: list[Callable[[], None]] = []
        self.pool: Pool[DatabaseConnection] = Pool(
            max_connections,
            timeout,
            self._open,
            self.clock,
            self.soon.append,
        )
        self.endpoint = StageEndpoint(self.pool)
        self.on_open: Callable[[Server], None] = Server.greet
        self._number = 0

    @property
    def time(self) -> float:
        """The clock's time in seconds, which tests may set."""
        return self.clock.now

    @time.setter
    def time(self, now: float) -> None:
        self.clock.now = now

    def client(self, user: bytes = b"app", **settings: bytes) -> Client:
        """Return a client that has logged in, to the database with its user's name."""
        client = Client(ClientSession(self._next_number(), self, self.endpoint))
        named = {name.encode(): value for name, value in settings.items()}
        client.send(messages.startup({b"user": user, **named}))
        return client

    def connected(self) -> tuple[Client, Server]:
        """Return a client that has logged in, and the server of the only connection.

        What they received during the login is read.
        """
        client = self.client()
        (server,) = self.servers
        client.read(), server.read()
        return client, server

    def stranger(self) -> Client:
        """Return a client that is connected and has sent nothing."""
        return Client(ClientSession(self._next_number(), self, self.endpoint))

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    # What the proxy does with connections.

    def _open(self, key: Key) -> None:
        connection = DatabaseConnection(
            self._next_number(), key, None, self.registry, self.max_statements, self
        )
        server = Server(connection)
        self.servers.append(server)
        self.on_open(server)

    def opened(self, connection: DatabaseConnection) -> None:
        self.pool.opened(connection)

    def failed(self, connection: DatabaseConnection, error: ClientError) -> None:
        self.failures.append(error)
        self.pool.refused(connection.key, error)

    def reset_started(self, connection: DatabaseConnection) -> None:
        self.pool.reset_started(connection)

    def probe(self, connection: DatabaseConnection, suspects: list[Suspect]) -> None:
        self.pool.reset_started(connection)

    def reset_done(self, connection: DatabaseConnection) -> None:
        self.pool.give_back(connection)

    def interrupt(
        self,
        connection: DatabaseConnection,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        self.cancelled.append(connection)

    def kill(self, connection: DatabaseConnection, reason: str) -> None:
        connection.abort()

    def object_in_use(self, connection: DatabaseConnection, text: str) -> None:
        pass

    def closing(self, connection: DatabaseConnection, cancel: bool) -> None:
        self.pool.retire(connection)
        if cancel:
            self.interrupt(connection)

    def closed(self, connection: DatabaseConnection, reason: str) -> None:
        self.observe(events.DatabaseClosed(connection.number, reason))
        self.pool.closed(connection)

    # What the proxy does for sessions.

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def observe(self, event: events.Event) -> None:
        self.events.append(event)

    def authenticate(
        self, _client: StartupClient, user: str, _encrypted: bool
    ) -> Conversation | None:
        if user == "stranger":
            raise no_credentials(user)
        return login(self.credentials.cached(user), no_verifier)

    def suspect_number(self) -> int:
        return 1

    def judge(self, sql: bytes, done: Callable[[], None]) -> None:
        self.to_judge.append((sql, done))

    def backend_key(self, session: ClientSession) -> tuple[int, bytes] | None:
        return None

    def cancel(self, request: CancelRequest, delivered: Callable[[], None]) -> bool:
        return False

    def login_refused(self, session: ClientSession, error: ClientError) -> ClientError:
        return error

    def borrow_failed(self, session: ClientSession, error: ClientError) -> None:
        self.observe(events.BorrowFailed(session.number, error.text))

    def release_databases(
        self, databases: frozenset[bytes], done: Callable[[], None]
    ) -> None:
        self.soon.append(done)

    def logged_in(self, session: ClientSession) -> None:
        pass

    def ended(self, session: ClientSession) -> None:
        self.ended_sessions.append(session)


def row(*values: bytes) -> bytes:
    """Return a DataRow."""
    columns = b"".join(messages.INT32.pack(len(value)) + value for value in values)
    return messages.message(messages.DATA_ROW, len(values).to_bytes(2, "big") + columns)


def complete(tag: bytes) -> bytes:
    return messages.message(messages.COMMAND_COMPLETE, tag + b"\0")


def kinds(data: bytes) -> str:
    """Return the types of the messages in data, as one letter each."""
    letters, at = "", 0
    while at < len(data):
        kind, size = HEADER.unpack_from(data, at)
        letters += chr(kind)
        at += size + 1
    assert at == len(data), "data ends inside a message"
    return letters
