"""Connections and their borrowers, as a pool knows them, and those who wait.

Owns what each of them keeps for the pool, and the order of a queue. Does not decide who
gets what.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from typing import Final

from mypy_extensions import mypyc_attr

from pinwatch.counters import EndpointCounters
from pinwatch.errors import ClientError

Key = tuple[bytes, ...]
"""User and database; for a connection of a session's own also the names and values of
its startup parameters."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(metaclass=ABCMeta):
    """What the pool knows of a database connection."""

    __slots__ = ("idle_list", "idle_since", "key", "opened_at")

    key: Key
    idle_since: float
    opened_at: float

    idle_list: "list[Connection] | None"
    """Those of its key that are idle in its pool; None before it is one of them, and
    once it is retired."""

    @property
    @abstractmethod
    def pinned_by(self) -> str | None:
        """The rule by which its session is pinned; None if it is not."""

    @abstractmethod
    def close(self, reason: str) -> None:
        """End it; ``Pool.closed`` follows when the server has let go."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Borrower(metaclass=ABCMeta):
    """What the pool knows of a client session."""

    __slots__ = ("counters", "idle_list", "idle_list_pool", "key", "pool", "wait")

    key: Key
    counters: EndpointCounters

    idle_list: list[Connection] | None
    """Those of its key that are idle in the pool idle_list_pool, once there was one."""

    idle_list_pool: "ConnectionSource | None"

    pool: "ConnectionSource"
    """Where it waits, or whose connection it has."""

    wait: "Wait | None"
    """Its place in a queue."""

    @abstractmethod
    def lend(self, connection: Connection) -> None: ...

    @abstractmethod
    def refuse(self, error: ClientError) -> None: ...


class Wait:
    """One borrower's place in a queue.

    began is when it came, deadline when it waits in vain, in seconds.
    """

    __slots__ = ("after", "before", "began", "borrower", "deadline", "queue")

    def __init__(
        self, queue: "Queue", borrower: Borrower, began: float, deadline: float
    ) -> None:
        self.queue = queue
        self.borrower = borrower
        self.began = began
        self.deadline = deadline
        self.before: Wait | None = None
        self.after: Wait | None = None


class Queue:
    """Who waits, in the order in which they came; each knows its place in it."""

    __slots__ = ("_count", "_first", "_last")

    def __init__(self) -> None:
        self._count = 0
        self._first: Wait | None = None
        self._last: Wait | None = None

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    def __iter__(self) -> Iterator[Borrower]:
        """As they are now, whoever comes or goes meanwhile."""
        return iter([wait.borrower for wait in self.waits()])

    def __contains__(self, borrower: Borrower) -> bool:
        return borrower.wait is not None and borrower.wait.queue is self

    def waits(self) -> list[Wait]:
        waits: list[Wait] = []
        wait = self._first
        while wait is not None:
            waits.append(wait)
            wait = wait.after
        return waits

    @property
    def first(self) -> Borrower | None:
        return None if self._first is None else self._first.borrower

    def append(self, borrower: Borrower, began: float, deadline: float) -> None:
        """Behind all others."""
        wait = borrower.wait = Wait(self, borrower, began, deadline)
        last, self._last = self._last, wait
        if last is None:
            self._first = wait
        else:
            last.after = wait
            wait.before = last
        self._count += 1

    def remove(self, borrower: Borrower) -> Wait:
        """Its place, which is one no more; only of one that waits here."""
        wait, borrower.wait = borrower.wait, None
        assert wait is not None
        before, after = wait.before, wait.after
        if before is None:
            self._first = after
        else:
            before.after = after
        if after is None:
            self._last = before
        else:
            after.before = before
        wait.before = wait.after = None
        self._count -= 1
        return wait


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionSource(metaclass=ABCMeta):
    """A pool, or one that chooses among pools."""

    __slots__ = ()

    @abstractmethod
    def borrow(self, borrower: Borrower, patience: float = 0) -> Connection | None:
        """See ``Pool.borrow``."""

    def must_wait(self, borrower: Borrower) -> bool:
        """Whether a borrow now would have to wait for another borrower."""
        return False

    def give_back(self, connection: Connection) -> None:
        """The borrower is done with it."""
        raise RuntimeError("a connection was given back to who lends none")

    def cancel_borrow(self, borrower: Borrower) -> None:  # noqa: B027 - most lend nothing
        """The borrower waits no longer, nor comes again."""


class _Nowhere(ConnectionSource):
    """Of a borrower that has asked for nothing yet."""

    def borrow(self, borrower: Borrower, patience: float = 0) -> Connection | None:
        return None


NO_POOL: Final = _Nowhere()
