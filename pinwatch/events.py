"""Occurrences: rare, typed, and handed to whoever observes the proxy.

Quantities are not here: they are plain numbers and lengths of containers, read when
somebody asks. An observer cannot change the traffic.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


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
class DatabaseInUse:
    """The server refused a statement because other sessions use a database.

    idle counts the pool's idle connections to it, which are among them.
    """

    connection: int
    database: str
    idle: int


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
    """A client session keeps its database connection until it ends.

    first is whether this pinned it; without, it was pinned already, and would have been
    by this.
    reason has RDS Proxy's own sentences. contested tells both readings where it is not
    settled that RDS Proxy pins, and is empty elsewhere. sql is the whole text,
    statement the one in it that pins, both cut at 2,048 characters; trigger is where
    its trigger words begin and end in the whole text. transaction_status is ``I``,
    ``T`` or ``E``, from before the statement ran.
    """

    at: datetime
    client: int
    connection: int
    rule: str
    contested: str
    reason: str
    digest: str
    sql: str
    statement: str
    trigger: tuple[int, int]
    user: str
    database: str
    application_name: str
    tags: Mapping[str, str]
    transaction_status: str
    advice: str
    first: bool


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
    | DatabaseInUse
    | FailedOver
    | PinAhead
    | SessionPinned
    | SessionUnpinned
    | PinWarned
)
Observe = Callable[[Event], None]
