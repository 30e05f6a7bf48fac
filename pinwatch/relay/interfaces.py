"""What a client session and the database connection that it borrows know of each other.

Both are sockets on one floor; neither imports the other.
"""

from abc import abstractmethod
from collections.abc import Callable

from pinwatch.counters import TargetCounters, Traffic
from pinwatch.errors import ClientError
from pinwatch.pool.interfaces import Borrower, Connection
from pinwatch.relay.client_stream import ClientStream
from pinwatch.relay.database_stream import Client, DatabaseStream
from pinwatch.relay.parameters import Values
from pinwatch.relay.reply_tracker import ReplyTracker


class Session(Borrower["BorrowedConnection"]):
    """The borrower, as the connection that serves it sees it."""

    __slots__ = (
        "client",
        "last_reply_at",
        "number",
        "request_started_at",
        "stream",
        "traffic",
    )

    client: Client
    stream: ClientStream
    traffic: Traffic

    request_started_at: float
    """When what is not answered began to come, in seconds; 0 is nothing."""

    last_reply_at: float
    """When the last of it was answered, in seconds."""

    number: int

    @property
    @abstractmethod
    def application_name(self) -> str: ...

    @property
    @abstractmethod
    def pinned_since(self) -> float:
        """When it was pinned, in seconds of the clock; 0 if it is not."""

    @property
    @abstractmethod
    def pinned(self) -> bool:
        """It keeps its connection until it ends."""

    @property
    @abstractmethod
    def pinned_by(self) -> str | None:
        """The rule that pinned it first; None if it is not pinned."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    @abstractmethod
    def became_idle(self) -> None:
        """All that was due is answered, outside a transaction, and written."""

    @abstractmethod
    def replies_finished(self) -> None:
        """End the session: all requests before its Terminate are answered."""

    @abstractmethod
    def replies_arrived(self) -> None:
        """What the client stream waits for may have been answered."""

    @abstractmethod
    def writability_changed(self) -> None:
        """The server does not keep up, or does again."""

    @abstractmethod
    def parameters_set(self, error: ClientError | None) -> None:
        """The client's settings are in force; or the error that prevents it."""

    @abstractmethod
    def connection_closed(self, fatal_sent: bool) -> None:
        """Handle the loss of the connection.

        fatal_sent is true if the client was sent the server's FATAL error.
        """


class BorrowedConnection(Connection):
    """The connection, as the session that borrows it sees it."""

    __slots__ = (
        "cancelling",
        "counters",
        "number",
        "own",
        "replies",
        "request_started_at",
        "stream",
        "write_paused",
    )

    number: int
    counters: TargetCounters
    replies: ReplyTracker
    stream: DatabaseStream
    write_paused: bool

    own: bool
    """It was opened for one session, with its startup parameters."""

    request_started_at: float
    """When it was sent what it has not answered, in seconds; 0 is nothing."""

    cancelling: int
    """Cancel requests that may still reach what it runs."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to the server."""

    @property
    @abstractmethod
    def idle_outside_transaction(self) -> bool: ...

    @abstractmethod
    def serve(self, session: Session, parameters: Values, verify: bool) -> bool:
        """Serve session, with its parameters; return False while they are being set.

        verify asks the server for its present parameters even if none is to be set.
        """

    @abstractmethod
    def stop_serving(self) -> None:
        """The session is done with it."""

    @abstractmethod
    def pause_reading(self) -> None: ...

    @abstractmethod
    def resume_reading(self) -> None: ...

    @abstractmethod
    def check_replies(self) -> None:
        """Tell the session if nothing of what it asked for is left to be answered."""

    @abstractmethod
    def abandon(self, reason: str, cancel: bool) -> None:
        """End it in the middle of a request or a transaction.

        cancel says that what it has been sent is not to be run to its end.
        """

    @abstractmethod
    def cancel(self, delivered: Callable[[], None]) -> None:
        """Ask the server to stop the running statement."""

    @abstractmethod
    def reset(self) -> None:
        """Discard what a session left, then give it back to the pool."""
