"""The interfaces between a client session and the database connection that it borrows.

Session and connection call each other through these classes; neither module imports
the other. All times are in seconds of the clock.
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
from pinwatch.relay.suspects import Suspect


class Session(Borrower["BorrowedConnection"]):
    """The part of a client session that its database connection uses."""

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
    """When the oldest unanswered request began to arrive; 0 if all are answered."""

    last_reply_at: float
    """When the last request was answered completely."""

    number: int

    @property
    @abstractmethod
    def application_name(self) -> str: ...

    @property
    @abstractmethod
    def pinned_since(self) -> float:
        """When the session was pinned; 0 if it is not pinned."""

    @property
    @abstractmethod
    def pinned(self) -> bool:
        """True if the session keeps its connection until it ends."""

    @property
    @abstractmethod
    def pinned_by(self) -> str | None:
        """The rule that pinned the session first; None if it is not pinned."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    @abstractmethod
    def became_idle(self) -> None:
        """Return the connection unless the session is pinned.

        Called when all replies have been sent to the client, outside a transaction.
        """

    @abstractmethod
    def replies_finished(self) -> None:
        """End the session: all requests before its Terminate have been answered."""

    @abstractmethod
    def unblock(self) -> None:
        """Retry the blocked messages, after a reply, a verdict or a release."""

    @abstractmethod
    def writability_changed(self) -> None:
        """Pause reading from the client while the connection's write_paused is true."""

    @abstractmethod
    def parameters_set(self, error: ClientError | None) -> None:
        """Continue the login or request; error is set if the server refused a value."""

    @abstractmethod
    def connection_closed(self, fatal_sent: bool) -> None:
        """Handle the loss of the connection.

        fatal_sent is true if the server's FATAL error was sent to the client.
        """


class BorrowedConnection(Connection):
    """The part of a database connection that the borrowing session uses."""

    __slots__ = (
        "cancelling",
        "counters",
        "number",
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

    request_started_at: float
    """When the oldest unanswered request was sent; 0 if all are answered."""

    cancelling: int
    """Number of cancel requests that the server may not have read yet."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to the server."""

    @property
    @abstractmethod
    def idle_outside_transaction(self) -> bool: ...

    @abstractmethod
    def serve(self, session: Session, parameters: Values, verify: bool) -> bool:
        """Serve session with its parameters; return False if they must be set first.

        With verify, a connection that was borrowed before asks the server for its
        present parameters even if none has to be set. After False,
        ``Session.parameters_set`` is called.
        """

    @abstractmethod
    def stop_serving(self) -> None:
        """Detach the session, which receives no more of the server's messages."""

    @abstractmethod
    def pause_reading(self) -> None: ...

    @abstractmethod
    def resume_reading(self) -> None: ...

    @abstractmethod
    def check_replies(self) -> None:
        """Notify the session if all of its requests are answered."""

    @abstractmethod
    def abandon(self, reason: str, cancel: bool) -> None:
        """Close the connection in the middle of a request or a transaction.

        If cancel is true, cancel the running request.
        """

    @abstractmethod
    def cancel(self, delivered: Callable[[], None]) -> None:
        """Send a cancel request for the running statement; see ``Owner.interrupt``."""

    @abstractmethod
    def probe(self, suspects: list[Suspect]) -> None:
        """Look for state that suspects left, then return the connection to the pool.

        A connection that was opened for this session alone is closed. Call
        ``stop_serving`` first.
        """

    @abstractmethod
    def reset(self) -> None:
        """Discard the session's state, then return the connection to the pool.

        A connection that was opened for this session alone is closed.
        """
