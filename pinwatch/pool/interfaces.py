"""The interfaces between a pool, its database connections and their borrowers."""

from abc import ABCMeta, abstractmethod
from typing import Any, Final, Generic, TypeVar

from mypy_extensions import mypyc_attr

from pinwatch.counters import EndpointCounters
from pinwatch.errors import ClientError
from pinwatch.events import PoolUsage
from pinwatch.pool.linked_list import Linked, LinkedList

Key = tuple[bytes, ...]
"""User and database. For a connection that serves one session only, the names and
values of the startup parameters follow."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(Linked, metaclass=ABCMeta):
    """A database connection; the list that holds it is its state in the pool."""

    __slots__ = ("idle_list", "key", "opened_at", "state_since")

    key: Key

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key
        self.opened_at = 0.0  # seconds of the clock
        self.state_since = 0.0  # when it entered its present list
        self.idle_list: LinkedList[Any] | None = None  # for its key, once it is open

    @property
    @abstractmethod
    def pinned_by(self) -> str | None:
        """The rule that pinned its session; None if the session is not pinned."""

    @abstractmethod
    def close(self, reason: str) -> None:
        """Begin to close the connection; ``Pool.closed`` follows."""


C = TypeVar("C", bound=Connection)
C_contra = TypeVar("C_contra", bound=Connection, contravariant=True)


@mypyc_attr(allow_interpreted_subclasses=True)
class Borrower(Linked, Generic[C_contra], metaclass=ABCMeta):
    """A client session; while it waits, it is a member of a pool's queue."""

    __slots__ = (
        "counters",
        "idle_list",
        "idle_list_pool",
        "key",
        "pool",
        "wait_began",
        "wait_deadline",
    )

    key: Key
    counters: EndpointCounters

    pool: "ConnectionSource[C_contra]"
    """The source of its connection, or of the one that it waits for."""

    def __init__(self, key: Key, counters: EndpointCounters) -> None:
        super().__init__()
        self.key = key
        self.counters = counters
        self.pool = NO_POOL
        self.wait_began = 0.0  # seconds of the clock
        self.wait_deadline = 0.0
        # The idle connections with this key in idle_list_pool, to save the look-up.
        self.idle_list: LinkedList[C_contra] | None = None
        self.idle_list_pool: ConnectionSource[C_contra] | None = None

    @abstractmethod
    def connection_borrowed(self, connection: C_contra) -> None:
        """Use the connection; called after ``borrow`` has returned None."""

    @abstractmethod
    def borrow_failed(self, error: ClientError) -> None:
        """Report the error to the client; called after ``borrow`` has returned None."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionSource(Generic[C], metaclass=ABCMeta):
    """A pool, or an object that chooses among pools."""

    __slots__ = ()

    @abstractmethod
    def borrow(self, borrower: Borrower[C], min_timeout: float = 0) -> C | None:
        """Return a connection or None, as ``Pool.borrow`` does."""

    def serves_at_once(self, borrower: Borrower[C]) -> bool:
        """Return True if a connection is idle for the borrower.

        Also return True if the pool has no connection at all, and may open its first.
        Return False while other borrowers wait or the pool is paused.
        """
        return True

    def give_back(self, connection: C) -> None:
        """Take back a connection that its borrower no longer needs."""
        raise RuntimeError("this source owns no connections")

    def cancel_borrow(self, borrower: Borrower[C]) -> None:
        """Remove a borrower that will not borrow again."""

    def usage(self) -> PoolUsage | None:
        """Return the usage of the pool; None if the source is not a single pool."""
        return None


class _NoPool(ConnectionSource[Any]):
    """The source of a borrower that has not borrowed yet."""

    def borrow(
        self, borrower: Borrower[Any], min_timeout: float = 0
    ) -> Connection | None:
        return None


NO_POOL: Final = _NoPool()
