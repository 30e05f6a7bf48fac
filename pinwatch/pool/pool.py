"""The database connections of one target, and the borrowers that wait for them.

Owns the state of each connection: idle, borrowed, resetting or closing. The state is
the list that holds the connection, and ``_move`` alone moves a connection from one
list to another. Connections that are being opened are counted by key. All connections
count towards one cap, whatever their user and database. Does not know the messages on a
connection.

The longest waiter is served first. Of the idle connections, the one used last is
borrowed first.
"""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Final, cast

from mypy_extensions import i64

from pinwatch.clock import Clock
from pinwatch.errors import ClientError, borrow_timeout
from pinwatch.events import PoolUsage
from pinwatch.pool.interfaces import Borrower, C, ConnectionSource, Key
from pinwatch.pool.linked_list import LinkedList

UNUSED_AFTER: Final = 300.0  # seconds without use, after which max_idle applies
MAX_AGE: Final = 24 * 3600.0  # seconds; an older connection is closed once it is idle


class Pool(ConnectionSource[C]):
    """At most max_connections connections, each used by one borrower at a time.

    open_connection starts to open a connection for a key; ``opened``, ``refused`` or
    ``unavailable`` reports the outcome. borrow_timeout is in seconds of the clock. soon
    schedules a callback for the next round of the event loop. At most max_idle of the
    connections that have not been used for five minutes stay open. While the pool is
    paused, it neither serves borrowers nor opens connections.
    """

    def __init__(
        self,
        max_connections: int,
        borrow_timeout: float,
        open_connection: Callable[[Key], None],
        clock: Clock,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.max_connections = max_connections
        self.borrow_timeout = borrow_timeout
        self.open_connection = open_connection
        self.clock = clock
        self.soon = soon
        self.max_idle = max_connections
        self.paused: i64 = 0  # pauses that have not been resumed
        self.opening: Counter[Key] = Counter()
        self.idle: dict[Key, LinkedList[C]] = {}  # a list stays when it is empty
        self.borrowed: LinkedList[C] = LinkedList()
        self.resetting: LinkedList[C] = LinkedList()
        self.closing: LinkedList[C] = LinkedList()
        self.waiting: LinkedList[Borrower[C]] = LinkedList()
        self.retry_at: dict[Key, float] = {}
        self.swap = False  # give each borrower another connection than its last one
        self._size: i64 = 0  # connections in all lists
        self._last: dict[Borrower[C], C] = {}  # used with swap
        # The first waiter for whom no connection is idle or being opened needs room.
        self._blocked = False
        # Given back while _serve runs; still in the list borrowed or resetting.
        self._returned: list[C] = []
        self._serving = False

    def __len__(self) -> int:
        """Return the number of connections that count towards the cap."""
        return self.opening.total() + self._size

    def __repr__(self) -> str:
        states = {
            "opening": self.opening.total(),
            "idle": self.idle_count,
            "borrowed": len(self.borrowed),
            "resetting": len(self.resetting),
            "closing": len(self.closing),
            "waiting": len(self.waiting),
        }
        counts = "".join(f", {count} {state}" for state, count in states.items())
        paused = ", paused" if self.paused else ""
        return f"<Pool max {self.max_connections}{counts}{paused}>"

    @property
    def open_count(self) -> int:
        """Connections that are idle, borrowed or resetting."""
        return self._size - len(self.closing)

    @property
    def idle_count(self) -> int:
        return self.open_count - self.in_use

    @property
    def in_use(self) -> int:
        """Connections that are borrowed, or being probed or reset after a borrow."""
        return len(self.borrowed) + len(self.resetting)

    def idle_connections(self) -> list[C]:
        return list(chain.from_iterable(self.idle.values()))

    def used_connections(self) -> list[C]:
        """Return those that ``in_use`` counts."""
        return [*self.borrowed, *self.resetting]

    def usage(self) -> PoolUsage:
        """Count the connections in use, and the pinned ones by rule.

        The cost grows with the pool: call it for a report, not for each statement.
        """
        rules = [connection.pinned_by for connection in self.borrowed]
        return PoolUsage(
            self.max_connections, self.in_use, Counter(filter(None, rules))
        )

    # Borrowing and returning.

    def borrow(self, borrower: Borrower[C], min_timeout: float = 0) -> C | None:
        """Return an idle connection, or None and queue the borrower.

        The pool calls ``connection_borrowed`` or ``borrow_failed`` of a queued borrower
        later. A borrow fails if the login is refused, or after borrow_timeout or
        min_timeout seconds, whichever is longer.
        """
        borrower.pool = self
        if not self.paused and not self.waiting.length:
            idle = borrower.idle_list
            if idle is None or borrower.idle_list_pool is not self:
                idle = self._idle_list(borrower)
            connection = None if idle is None else idle.last
            if self.swap:
                connection = self._another(borrower, connection)
            if connection is not None:
                self._move(connection, self.borrowed)
                borrower.counters.borrows_at_once += 1
                if self.swap:
                    self._last[borrower] = connection
                return connection
        self._enqueue(borrower, max(min_timeout, self.borrow_timeout))
        return None

    def serves_at_once(self, borrower: Borrower[C]) -> bool:
        if self.paused or self.waiting.length:
            return False
        return bool(self.idle.get(borrower.key)) or len(self) == 0

    def _enqueue(self, borrower: Borrower[C], timeout: float) -> None:
        now = self.clock.now
        behind_blocked = self._blocked and self.waiting.length > 0
        borrower.wait_began, borrower.wait_deadline = now, now + timeout
        self.waiting.append(borrower)
        if not timeout:
            self.soon(self.sweep)
        if not behind_blocked:
            self.match()

    def give_back(self, connection: C) -> None:
        """Take back a connection that was borrowed, probed or reset.

        The longest waiter is served now, unless the pool is paused or the waiter needs
        another user or database. A connection that has been retired meanwhile stays
        retired.
        """
        within = connection.within
        if within is not self.borrowed and within is not self.resetting:
            return
        if self._serving:
            self._returned.append(connection)
        elif self.waiting.length and not self.paused:
            self._serve(connection)
        else:
            self._move(connection, connection.idle_list)

    def cancel_borrow(self, borrower: Borrower[C]) -> None:
        """Remove a borrower that will not borrow again."""
        self._last.pop(borrower, None)
        if borrower in self.waiting:
            first = self.waiting.first is borrower
            self.waiting.remove(borrower)
            self._blocked = False
            if first:
                self.match()

    def adopt(self, other: "Pool[C]") -> None:
        """Take over the waiters of other, with their arrivals and deadlines."""
        waiting = sorted([*self.waiting, *other.waiting], key=attrgetter("wait_began"))
        for borrower in waiting:
            borrower.pool = self
            self.waiting.append(borrower)
        self.match()

    def pause(self) -> None:
        """Stop serving borrowers; each ``pause`` needs a ``resume``."""
        self.paused += 1

    def resume(self) -> None:
        self.paused -= 1
        self.try_again()

    def try_again(self) -> None:
        """Open connections now, without waiting for the next retry."""
        self.retry_at.clear()
        self.match()

    def idle_in(self, database: bytes) -> int:
        """Return the number of idle connections to a database, of all users."""
        return sum(len(found) for key, found in self.idle.items() if key[1] == database)

    def take_idle(self) -> C | None:
        """Borrow any idle connection for the proxy itself; ``put_back`` returns it.

        The proxy's own use does not count: state_since stays as it is.
        """
        for idle in self.idle.values():
            connection = idle.last
            if connection is not None:
                self._move_unused(connection, self.borrowed)
                return connection
        return None

    def put_back(self, connection: C) -> None:
        """Take back a connection from ``take_idle``, and serve the waiters.

        A connection that has been retired meanwhile stays retired.
        """
        if connection.within is self.borrowed:
            self._move_unused(connection, connection.idle_list)
            self.match()

    # What happens to connections.

    def opened(self, connection: C) -> None:
        """Add a connection that has been opened."""
        key = connection.key
        self._end_opening(key)
        self.retry_at.pop(key, None)
        idle = self.idle.get(key)
        if idle is None:
            idle = self.idle[key] = LinkedList()
        connection.idle_list = idle
        self._move(connection, idle)
        self.match()

    def refused(self, key: Key, error: ClientError) -> None:
        """Report a refused login to the longest waiter with this key."""
        self._end_opening(key)
        for borrower in self.waiting:
            if borrower.key == key:
                self.waiting.remove(borrower)
                borrower.counters.borrows_refused += 1
                borrower.borrow_failed(error)
                break
        self.match()

    def unavailable(self, key: Key, retry_after: float) -> None:
        """Record a failed opening; retry it in retry_after seconds of the clock."""
        self._end_opening(key)
        self.retry_at[key] = self.clock.now + retry_after
        self.match()

    def reset_started(self, connection: C) -> None:
        """Record that a probe or a reset of a borrowed or idle connection begins.

        A connection that has been retired meanwhile stays retired.
        """
        within = connection.within
        if within is not None and within in (self.borrowed, connection.idle_list):
            self._move(connection, self.resetting)

    def retire(self, connection: C) -> None:
        """Record that the connection is closing; it counts until it is closed."""
        self._move(connection, self.closing)

    def closed(self, connection: C) -> None:
        """Remove a connection that is closed."""
        self._move(connection, None)
        self.match()

    # Timeouts.

    def sweep(self) -> None:
        """Fail overdue borrows, retry failed openings, close surplus connections."""
        now = self.clock.now
        overdue = self._fail_overdue(now)
        due = [key for key, at in self.retry_at.items() if at <= now]
        for key in due:
            del self.retry_at[key]
        if overdue or due:
            self.match()
        self._close_unused(now)

    def _fail_overdue(self, now: float) -> bool:
        overdue = [one for one in self.waiting if one.wait_deadline <= now]
        for borrower in overdue:
            # An earlier callback may have served it, or queued it again.
            if borrower in self.waiting and borrower.wait_deadline <= now:
                self.waiting.remove(borrower)
                borrower.counters.borrow_timeouts += 1
                borrower.borrow_failed(borrow_timeout())
        return bool(overdue)

    def _close_unused(self, now: float) -> None:
        """Close old connections, then surplus ones, the longest unused first."""
        unused: list[C] = []
        for connection in self.idle_connections():
            if now - connection.opened_at >= MAX_AGE:
                connection.close("It was open for 24 hours.")
            elif now - connection.state_since >= UNUSED_AFTER:
                unused.append(connection)
        unused.sort(key=attrgetter("state_since"))
        for connection in unused[: max(len(unused) - self.max_idle, 0)]:
            connection.close("Closed as a surplus idle connection.")

    # Matching.

    def match(self) -> None:
        """Serve the waiters in their order.

        For each waiter there is an idle connection, or one that is being opened, or the
        pool opens one. A waiter whose key waits for a retry is passed over. Matching
        stops at the first waiter that needs room.
        """
        self._blocked = False
        if self.paused:
            return
        counted_on: Counter[Key] = Counter()
        for borrower in self.waiting:
            if borrower not in self.waiting:
                continue
            key = borrower.key
            idle = self.idle.get(key)
            connection = None if idle is None else idle.last
            if self.swap:
                connection = self._another(borrower, connection)
            if connection is not None:
                self._serve_waiter(borrower, connection)
            elif counted_on[key] < self.opening[key]:
                counted_on[key] += 1
            elif key in self.retry_at:
                continue
            elif len(self) < self.max_connections:
                counted_on[key] += 1
                self.opening[key] += 1
                self.open_connection(key)
            else:
                self._blocked = True
                self._make_room()
                break

    def _serve(self, connection: C) -> None:
        """Serve waiters with a connection, and with those that they return meanwhile.

        A waiter may return its connection in the callback that serves it. Such a
        connection is put in _returned, so that a long queue needs no deep stack.
        """
        self._serving = True
        try:
            self._serve_first(connection)
            while self._returned:
                self._serve_first(self._returned.pop())
        finally:
            self._serving = False

    def _serve_first(self, connection: C) -> None:
        """Serve the longest waiter, if the connection suits it."""
        within = connection.within
        if within is not self.borrowed and within is not self.resetting:
            return  # retired while an earlier one was served
        borrower = self.waiting.first
        if (
            borrower is not None
            and borrower.key == connection.key
            and not (self.swap and self._last.get(borrower) is connection)
        ):
            self._serve_waiter(borrower, connection)
        else:
            self._move(connection, connection.idle_list)
            self.match()

    def _serve_waiter(self, borrower: Borrower[C], connection: C) -> None:
        self.waiting.remove(borrower)
        self._move(connection, self.borrowed)
        borrower.counters.borrows_waited += 1
        borrower.counters.borrow_latency.observe(self.clock.now - borrower.wait_began)
        if self.swap:
            self._last[borrower] = connection
        borrower.connection_borrowed(connection)

    def _idle_list(self, borrower: Borrower[C]) -> LinkedList[C] | None:
        """Look up the idle connections of the borrower's key, and remember them."""
        idle = borrower.idle_list = self.idle.get(borrower.key)
        borrower.idle_list_pool = self
        return idle

    def _another(self, borrower: Borrower[C], connection: C | None) -> C | None:
        """Return the idle connection, or another one if the borrower had it last.

        If there is no other, return None while one is being opened or can be, and the
        same connection otherwise.
        """
        if connection is None or connection is not self._last.get(borrower):
            return connection
        if connection.previous is not None:
            return cast("C", connection.previous)
        key = borrower.key
        if self.opening[key]:
            return None
        full = len(self) >= self.max_connections
        return connection if full or key in self.retry_at else None

    def _make_room(self) -> None:
        """Close the connection that was idle for longest, unless one is closing."""
        if self.closing.length:
            return
        oldest = min(
            filter(None, [idle.first for idle in self.idle.values()]),
            key=attrgetter("state_since"),
            default=None,
        )
        if oldest is not None:
            oldest.close("Room was needed for another user or database.")

    # States.

    def _move(self, connection: C, to: LinkedList[C] | None) -> None:
        """Move a connection into another list; None removes it from the pool."""
        within = connection.within
        if to is not None:
            if within is None:
                self._size += 1
            to.append(connection)
        elif within is not None:
            self._size -= 1
            within.remove(connection)
        connection.state_since = self.clock.now

    def _move_unused(self, connection: C, to: LinkedList[C] | None) -> None:
        """Move a connection as ``_move`` does, but keep its state_since."""
        unused_since = connection.state_since
        self._move(connection, to)
        connection.state_since = unused_since

    def _end_opening(self, key: Key) -> None:
        self.opening[key] -= 1
        if not self.opening[key]:
            del self.opening[key]
