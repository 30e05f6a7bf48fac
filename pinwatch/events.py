"""Occurrences: rare, typed, and handed to whoever observes the proxy.

Quantities are not here: they are plain numbers and lengths of containers, read when
somebody asks. An observer cannot change the traffic.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Final


@dataclass(frozen=True, slots=True)
class ClientConnected:
    """A client's socket was accepted; address is host:port, or a socket's path."""

    client: int
    address: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class StartupReceived:
    """What a StartupMessage asked for; version is major and minor."""

    client: int
    user: str
    database: str
    version: tuple[int, int]
    encrypted: bool


@dataclass(frozen=True, slots=True)
class ClientWelcomed:
    """A client is logged in."""

    client: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A CancelRequest came; forwarded says whether it reached the database."""

    client: int
    forwarded: bool


@dataclass(frozen=True, slots=True)
class ClientRefused:
    """A client got a FATAL error from the proxy itself.

    log is a sentence that tells more than the client may know, or empty.
    """

    client: int
    text: str
    sqlstate: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """A client connection is over; requested says that it sent Terminate."""

    client: int
    requested: bool


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """The database connections of a pool that clients have borrowed.

    max_connections is the pool's cap; pinned maps each rule to the number of borrowed
    connections whose session that rule pinned.
    """

    max_connections: int
    borrowed: int
    pinned: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BorrowFailed:
    """A client waited for a database connection and got an error instead.

    usage is the pool's at that moment, where the wait timed out.
    """

    client: int
    text: str
    usage: PoolUsage | None = None


@dataclass(frozen=True, slots=True)
class DatabaseConnecting:
    """A connection to the target is being opened; encrypted says that TLS is wanted."""

    connection: int
    encrypted: bool
    target: str


@dataclass(frozen=True, slots=True)
class DatabaseRefused:
    """It could not be opened."""

    connection: int
    text: str
    sqlstate: str
    target: str


@dataclass(frozen=True, slots=True)
class DatabaseConnected:
    """A socket to the target is open, between the proxy's and the target's address."""

    connection: int
    local: str
    remote: str
    target: str


@dataclass(frozen=True, slots=True)
class DatabaseClosed:
    """A database connection is over."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class DatabaseReset:
    """A pinned client left: its database connection was reset and pooled."""

    connection: int


@dataclass(frozen=True, slots=True)
class FailedOver:
    """Another target is the writer, or the same came back; seconds without a writer."""

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
    """Both readings, if it is not settled that RDS Proxy pins here; else empty."""

    reason: str
    """RDS Proxy's own sentences."""

    digest: str
    """The text with its constants replaced, as RDS Proxy logs it."""

    sql: str
    """The whole text of the request, cut at 2,048 characters."""

    statement: str
    """The statement in the text that pins, cut at 2,048 characters."""

    trigger: tuple[int, int]
    """Start and end of the words that pin in the whole text, in characters."""

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
    """A pinned session is over; seconds is how long it was pinned."""

    at: datetime
    client: int
    connection: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PinWarned:
    """A statement ran that does not pin, and deserves a word."""

    client: int
    rule: str
    text: str
    sql: str


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
    | FailedOver
    | PinAhead
    | SessionPinned
    | SessionUnpinned
    | PinWarned
)
Observe = Callable[[Event], None]
