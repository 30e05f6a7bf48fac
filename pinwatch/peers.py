"""What a client session and the database connection that it borrows know of each other.

Both are sockets on one floor; neither imports the other.
"""

from collections.abc import Callable
from typing import Protocol

from pinwatch.counters import EndpointCounters, TargetCounters, Traffic
from pinwatch.errors import ClientError
from pinwatch.parameters import Values
from pinwatch.pool import Connection
from pinwatch.replies import Replies
from pinwatch.requests import Requests
from pinwatch.responses import Client, Responses


class Session(Protocol):
    """The borrower, as the connection that serves it sees it."""

    client: Client
    requests: Requests
    counters: EndpointCounters
    traffic: Traffic

    asked_at: float
    """When what is not answered began to come, in seconds; 0 is nothing."""

    rested_at: float
    """When the last of it was answered, in seconds."""

    write: Callable[[bytes], None]
    """Send bytes to the client."""

    def settled(self) -> None:
        """All that was due is answered, outside a transaction, and written."""

    def answered(self) -> None:
        """What the requests wait for may have been answered."""

    def connection_full(self) -> None:
        """The server does not keep up, or does again."""

    def prepared(self, error: ClientError | None) -> None:
        """The client's settings are in force; or the error that prevents it."""

    def connection_closed(self, told: bool) -> None:
        """The connection is gone; told says that the client has read a FATAL error."""


class BorrowedConnection(Connection, Protocol):
    """The connection, as the session that borrows it sees it."""

    number: int
    counters: TargetCounters
    replies: Replies
    responses: Responses
    write_paused: bool

    asked_at: float
    """When it was sent what it has not answered, in seconds; 0 is nothing."""

    since: float
    """When it came to be what it is, in seconds: opening, borrowed or closing."""

    cancelling: int
    """Cancel requests that may still reach what it runs."""

    write: Callable[[bytes], None]
    """Send bytes to the server."""

    @property
    def idle_outside_transaction(self) -> bool: ...

    def lent(self, session: Session, parameters: Values) -> bool:
        """Serve session, with its parameters; False while they are being set."""

    def released(self) -> None:
        """The session is done with it."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def check(self) -> None:
        """Tell the session if nothing of what it asked for is left to be answered."""

    def abandon(self, reason: str) -> None:
        """End it in the middle of a request or a transaction."""

    def reset(self) -> None:
        """Discard what a session left, then give it back to the pool."""
