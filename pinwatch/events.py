"""The events that the proxy reports to its observers.

Events are rare and typed. Counts are plain numbers in ``counters``, which the metrics
read on demand. An observer cannot change the traffic.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Final


@dataclass(frozen=True, slots=True)
class ClientConnected:
    """A client connection was accepted.

    ``address`` is host:port, or ``local`` for a Unix socket and for a client that has
    disconnected already.
    """

    client: int
    address: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class StartupReceived:
    """A client sent a StartupMessage; ``version`` is (major, minor)."""

    client: int
    user: str
    database: str
    version: tuple[int, int]
    encrypted: bool


@dataclass(frozen=True, slots=True)
class ClientWelcomed:
    """A client finished its login."""

    client: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A client sent a CancelRequest.

    ``forwarded`` is true if its key belongs to a session with a running request, so
    that the proxy tries to cancel that request at the database.
    """

    client: int
    forwarded: bool


@dataclass(frozen=True, slots=True)
class ClientRefused:
    """The proxy ended a client connection because of an error.

    It sent the error as FATAL, unless the client did not speak the protocol. ``log``
    is a sentence with details that the client must not see, or empty.
    """

    client: int
    text: str
    sqlstate: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """A client connection closed; ``requested`` is true if Terminate was sent."""

    client: int
    requested: bool


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """The usage of a pool.

    ``max_connections`` is the pool's limit. ``borrowed`` counts the connections that
    clients have borrowed, or that are being probed or reset after a client. ``pinned``
    maps each rule to the number of borrowed connections whose session it pinned.
    """

    max_connections: int
    borrowed: int
    pinned: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BorrowFailed:
    """A client's wait for a database connection ended with an error.

    ``usage`` is the pool's usage at that moment if the wait timed out, or None.
    """

    client: int
    text: str
    usage: PoolUsage | None = None


@dataclass(frozen=True, slots=True)
class DatabaseConnecting:
    """A connection to the target is being opened; ``encrypted`` if it requests TLS."""

    connection: int
    encrypted: bool
    target: str


@dataclass(frozen=True, slots=True)
class DatabaseRefused:
    """A connection to the target could not be opened; ``encrypted`` if it used TLS."""

    connection: int
    text: str
    sqlstate: str
    target: str
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseConnected:
    """A connection to the target is open; ``encrypted`` is true if it uses TLS.

    ``local`` and ``remote`` are the addresses of its socket.
    """

    connection: int
    local: str
    remote: str
    target: str
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseClosed:
    """A database connection closed."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class DatabaseReset:
    """A database connection was reset and can be borrowed again."""

    connection: int


@dataclass(frozen=True, slots=True)
class DatabaseInUse:
    """The server refused a statement because other sessions use a database.

    ``idle`` is the number of the pool's idle connections to this database. They are
    among the other sessions.
    """

    connection: int
    database: str
    idle: int


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A target became AVAILABLE or UNAVAILABLE.

    ``state``, ``reason`` and ``description`` are those of the RDS API's TargetHealth.
    """

    target: str
    state: str
    reason: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class FaultBegan:
    """A fault on demand began; ``meaning`` says what it does, as a phrase."""

    fault: str
    kind: str
    meaning: str


@dataclass(frozen=True, slots=True)
class FaultEnded:
    """A fault on demand ended, after it took effect ``happened`` times."""

    fault: str
    happened: int


@dataclass(frozen=True, slots=True)
class FailedOver:
    """The writer changed or came back, after ``seconds`` without a writer."""

    before: str
    after: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PinAhead:
    """A client prepared a statement that will pin its session when it runs."""

    client: int
    connection: int
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionPinned:
    """A statement after which a session keeps its database connection.

    This is the one definition of a pin's fields: the event log, the HTTP API, reports
    and the pytest plugin derive theirs from it, with these descriptions.
    """

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    at: datetime
    """When the statement ran."""

    client: int
    """The client connection, as the log numbers it."""

    connection: int
    """The database connection, as the log numbers it."""

    rule: str
    """The rule of docs/behaviour.md."""

    contested: str
    """The arguments for and against a pin, if AWS's pages and users disagree on it;
    else empty."""

    reason: str
    """The reason for the pin, in the words of RDS Proxy's log."""

    digest: str
    """The text with its constants replaced, as RDS Proxy logs it."""

    sql: str
    """The whole text of the request, cut at 2,048 characters."""

    statement: str
    """The one statement of the text that pins, cut at 2,048 characters."""

    trigger: tuple[int, int]
    """Start and end of the words that pin, in characters of the whole text."""

    user: str
    """The role of the client."""

    database: str
    """The database of the client."""

    application_name: str
    """The session's application_name, or empty."""

    tags: Mapping[str, str]
    """The tags in sqlcommenter and marginalia comments of the text."""

    transaction_status: str
    """The status before the statement ran: I is idle, T in a transaction, E in a failed
    transaction."""

    advice: str
    """How to avoid the pin."""

    first: bool
    """True if this statement pinned the session; false if the session was pinned
    already, which RDS Proxy neither logs nor counts."""

    def values(self) -> dict[str, Any]:
        """Return the fields by name, to build a subclass or another representation."""
        return {field.name: getattr(self, field.name) for field in _PIN_FIELDS}


_PIN_FIELDS: Final = fields(SessionPinned)


@dataclass(frozen=True, slots=True)
class SessionUnpinned:
    """A pinned session ended; ``seconds`` is the time that it was pinned."""

    at: datetime
    client: int
    connection: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PinWarned:
    """A statement ran that does not pin but deserves a warning."""

    client: int
    rule: str
    text: str
    sql: str


@dataclass(frozen=True, slots=True)
class UnseenCodeRuns:
    """A statement is sent that may run code which RDS Proxy does not see.

    The proxy reports this before the server executes the statement, and only if
    hidden_state is on. ``statement`` is the running number of such statements in this
    proxy; the ``StateLeaked`` that the statement causes has the same number. ``sql`` is
    the whole text of the request, cut at 2,048 characters, and empty for a
    FunctionCall.
    """

    client: int
    statement: int
    sql: str


@dataclass(frozen=True, slots=True)
class StateLeaked:
    """State that a statement left on its database connection, unseen by RDS Proxy.

    This is the one definition of a leak's fields: the event log, the HTTP API, reports
    and the pytest plugin derive theirs from it, with these descriptions.
    """

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    at: datetime
    """When the state was found, after the statement's transaction."""

    client: int
    """The client connection, as the log numbers it."""

    connection: int
    """The database connection, as the log numbers it."""

    number: int
    """The ``statement`` of the ``UnseenCodeRuns`` that was reported before."""

    kind: str
    """The kind of state: setting, role, session_authorization, prepared_statement,
    temporary_object, cursor, channel or advisory_lock."""

    name: str
    """The name of the setting, object or channel, or the key of the lock."""

    value: str
    """The value of a setting, or the statement of a prepared statement or a cursor;
    else empty."""

    function: str
    """The function that left the state, for example app.set_tenant(); DO for a DO
    block; `function not found` if it is unknown."""

    path: str
    """The functions from the statement to the SQL that left the state, and that SQL,
    joined by ` -> `; or empty."""

    digest: str
    """The text with its constants replaced, as RDS Proxy logs texts."""

    sql: str
    """The whole text of the request, cut at 2,048 characters."""

    statement: str
    """The one statement of the text that ran the code, cut at 2,048 characters."""

    user: str
    """The role of the client."""

    database: str
    """The database of the client."""

    application_name: str
    """The session's application_name, or empty."""

    tags: Mapping[str, str]
    """The tags in sqlcommenter and marginalia comments of the text."""

    advice: str
    """Advice on code that leaves no state."""

    reset: bool
    """True if the proxy restored the connection, which RDS Proxy would not."""

    def values(self) -> dict[str, Any]:
        """Return the fields by name, to build a subclass or another representation."""
        return {field.name: getattr(self, field.name) for field in _LEAK_FIELDS}


_LEAK_FIELDS: Final = fields(StateLeaked)


Event = (
    ClientConnected
    | StartupReceived
    | ClientWelcomed
    | CancelRequested
    | ClientRefused
    | ClientClosed
    | BorrowFailed
    | DatabaseConnecting
    | DatabaseRefused
    | DatabaseConnected
    | DatabaseClosed
    | DatabaseReset
    | DatabaseInUse
    | HealthChanged
    | FaultBegan
    | FaultEnded
    | FailedOver
    | PinAhead
    | SessionPinned
    | SessionUnpinned
    | PinWarned
    | UnseenCodeRuns
    | StateLeaked
)
Observe = Callable[[Event], None]
