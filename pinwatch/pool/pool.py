"""The database connections of one target, and who waits for them.

Owns who holds what: a connection is opening, idle, borrowed or closing, by membership
in this module's containers (borrowed is what is open and not idle), and a borrower
waits or does not. All of it counts
towards the cap, over every pair of user and database. Does not know what travels on
a connection.

Waiters are served in the order in which they came; connections are lent last in,
first out.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from pinwatch.clock import Clock
from pinwatch.errors import ClientError, borrow_timeout
from pinwatch.events import PoolUsage
from pinwatch.pool.interfaces import Borrower, Connection, ConnectionSource, Key, Queue

UNUSED_AFTER: Final = 300.0  # seconds without use, from which max_idle holds
MAX_AGE: Final = 24 * 3600.0  # seconds; an older connection is closed when idle


class Pool(ConnectionSource):
    """At most max_connections connections, lent one borrower at a time.

    open_connection starts to open one and is answered by ``opened`` or ``refused``.
    borrow_timeout is in seconds, of which scale pass in one of the clock's; soon runs
    what must not run at once. Of the connections that are unused for a while at most
    max_idle stay open. While paused, nothing is lent and nothing opened.
    """

    def __init__(
        self,
        max_connections: int,
        borrow_timeout: float,
        open_connection: Callable[[Key], None],
        clock: Clock,
        soon: Callable[[Callable[[], None]], object],
        scale: float = 1.0,
    ) -> None:
        self.max_connections = max_connections
        self.borrow_timeout = borrow_timeout
        self.open_connection = open_connection
        self.clock = clock
        self.scale = scale
        self.soon = soon
        self.max_idle = max_connections
        self.paused = 0  # by how many
        self.idle: dict[Key, list[Connection]] = {}  # none is ever taken out
        self.open: set[Connection] = set()  # idle or borrowed
        self.closing: set[Connection] = set()
        self.opening: Counter[Key] = Counter()
        self.waiting = Queue()
        self.retry_at: dict[Key, float] = {}
        self.swap = False  # lend each borrower another connection than the last
        self._last: dict[Borrower, Connection] = {}  # while swap
        self._full = False  # since the last match, for one of those who wait
        self._returned: list[Connection] = []  # while _serving, still borrowed
        self._serving = False

    def now(self) -> float:
        """In seconds, scaled."""
        return self.clock.now * self.scale

    def __len__(self) -> int:
        """Connections that count towards the cap."""
        return self.opening.total() + len(self.open) + len(self.closing)

    @property
    def borrowed(self) -> set[Connection]:
        """Those that are open and not idle."""
        return self.open.difference(*self.idle.values())

    @property
    def lent(self) -> int:
        """How many are borrowed."""
        return len(self.open) - sum(map(len, self.idle.values()))

    def usage(self) -> PoolUsage:
        """Count the borrowed connections, and the pinned ones by rule.

        The cost grows with the pool: call it for a report, not for each statement.
        """
        borrowed = self.borrowed
        rules = [one.pinned_by for one in borrowed]
        return PoolUsage(
            self.max_connections, len(borrowed), Counter(filter(None, rules))
        )

    def borrow(self, borrower: Borrower, patience: float = 0) -> Connection | None:
        """A connection for borrower, or None: it is lent or refused one later.

        patience is in seconds, where that is more than borrow_timeout.
        """
        borrower.pool = self
        if not self.waiting and not self.paused:
            idle = borrower.idle_list
            if idle is None or borrower.idle_list_pool is not self:
                idle = self._shelf(borrower)
            if idle and (not self.swap or self._other(borrower, idle)):
                connection = idle.pop()
                borrower.counters.borrows_at_once += 1
                if self.swap:
                    self._last[borrower] = connection
                return connection
        patience = max(patience, self.borrow_timeout)
        now = self.now()
        behind = bool(self.waiting) and self._full
        self.waiting.append(borrower, now, now + patience)
        if not patience:
            self.soon(self.sweep)
        if not behind:
            self.match()
        return None

    def must_wait(self, borrower: Borrower) -> bool:
        if self.waiting or self.paused:
            return True
        return not self.idle.get(borrower.key) and len(self) >= self.max_connections

    def adopt(self, other: "Pool") -> None:
        """Take over those who wait in other, with what is left of their patience."""
        waits = sorted(
            [*self.waiting.waits(), *other.waiting.waits()],
            key=lambda wait: wait.began,
        )
        self.waiting, other.waiting = Queue(), Queue()
        for wait in waits:
            wait.borrower.pool = self
            self.waiting.append(wait.borrower, wait.began, wait.deadline)
        self.match()

    def pause(self) -> None:
        """Lend nothing until ``resume``, which is due as often."""
        self.paused += 1

    def resume(self) -> None:
        self.paused -= 1
        self.try_again()

    def try_again(self) -> None:
        """Open connections now rather than when a retry is due."""
        self.retry_at.clear()
        self.match()

    def idle_in(self, database: bytes) -> int:
        """Count the idle connections to a database, of all its users."""
        return sum(len(found) for key, found in self.idle.items() if key[1] == database)

    def spare(self) -> Connection | None:
        """An idle one, for the proxy itself; it is given back like any other."""
        for idle in self.idle.values():
            if idle:
                return idle.pop()
        return None

    def give_back(self, connection: Connection) -> None:
        """The borrower is done; who waited longest goes on in this very call.

        A connection that was retired meanwhile goes to nobody.
        """
        if connection.idle_list is None:
            return
        if self._serving:
            self._returned.append(connection)
        elif self.waiting and not self.paused:
            self._serve(connection)
        else:
            self._store(connection)

    def cancel_borrow(self, borrower: Borrower) -> None:
        """The borrower waits no longer, nor comes again."""
        self._last.pop(borrower, None)
        if borrower in self.waiting:
            first = self.waiting.first is borrower
            self.waiting.remove(borrower)
            self._full = False
            if first:
                self.match()

    def retire(self, connection: Connection) -> None:
        """The connection is closing, and counts until it is closed."""
        self._remove(connection)
        self.closing.add(connection)

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""
        self._remove(connection)
        self.closing.discard(connection)
        self.match()

    def opened(self, connection: Connection) -> None:
        """An opening has ended well."""
        self._end_opening(connection.key)
        self.retry_at.pop(connection.key, None)
        self.open.add(connection)
        self._store(connection)
        self.match()

    def refused(self, key: Key, error: ClientError) -> None:
        """The database refuses this pair: whoever waited first for it hears so."""
        self._end_opening(key)
        for borrower in self.waiting:
            if borrower.key == key:
                self.waiting.remove(borrower)
                borrower.counters.borrows_refused += 1
                borrower.refuse(error)
                break
        self.match()

    def unavailable(self, key: Key, retry_after: float) -> None:
        """An opening failed for a reason that may pass; seconds to the next try."""
        self._end_opening(key)
        self.retry_at[key] = self.now() + retry_after
        self.match()

    def sweep(self) -> None:
        """What time alone brings: waits that are over, openings to try again."""
        now = self.now()
        due = False
        for wait in self.waiting.waits():
            borrower = wait.borrower
            if wait.deadline > now or borrower.wait is not wait:
                continue
            due = True
            self.waiting.remove(borrower)
            borrower.counters.borrow_timeouts += 1
            borrower.refuse(borrow_timeout())
        for key in [key for key, at in self.retry_at.items() if at <= now]:
            due = True
            del self.retry_at[key]
        if due:
            self.match()
        self._close_unused(now)

    def _close_unused(self, now: float) -> None:
        """The longest unused first."""
        idle = [one for connections in self.idle.values() for one in connections]
        unused = [one for one in idle if now - one.idle_since >= UNUSED_AFTER]
        unused.sort(key=lambda one: one.idle_since)
        old = {one for one in idle if now - one.opened_at >= MAX_AGE}
        for connection in old:
            connection.close("It was open for 24 hours.")
        left = [one for one in unused if one not in old]
        for connection in left[: max(len(left) - self.max_idle, 0)]:
            connection.close("It was idle, and too many were.")

    def match(self) -> None:
        """Bring waiters and connections together, in the waiters' order.

        Each waiter gets an idle connection, or is covered by one that is opening, or
        has one opened for it; the first for whom there is no room ends the round.
        """
        self._full = False
        if self.paused:
            return
        covered: Counter[Key] = Counter()
        for borrower in self.waiting:
            if borrower not in self.waiting:
                continue
            key = borrower.key
            idle = self.idle.get(key)
            if idle and (not self.swap or self._other(borrower, idle)):
                self._lend(borrower, idle.pop())
            elif covered[key] < self.opening[key]:
                covered[key] += 1
            elif key in self.retry_at:
                continue
            elif len(self) < self.max_connections:
                covered[key] += 1
                self.opening[key] += 1
                self.open_connection(key)
            else:
                self._full = True
                self._make_room()
                break

    def _serve(self, connection: Connection) -> None:
        """Lend what came back; a borrower may give it back before this is over."""
        self._serving = True
        try:
            self._pass_on(connection)
            while self._returned:
                self._pass_on(self._returned.pop())
        finally:
            self._serving = False

    def _pass_on(self, connection: Connection) -> None:
        borrower = self.waiting.first
        if (
            borrower is not None
            and borrower.key == connection.key
            and not (self.swap and self._last.get(borrower) is connection)
        ):
            self._lend(borrower, connection)
        else:
            self._store(connection)
            self.match()

    def _lend(self, borrower: Borrower, connection: Connection) -> None:
        """To one who waited."""
        wait = self.waiting.remove(borrower)
        borrower.counters.borrows_waited += 1
        borrower.counters.borrow_latency.observe(self.now() - wait.began)
        if self.swap:
            self._last[borrower] = connection
        borrower.lend(connection)

    def _other(self, borrower: Borrower, idle: list[Connection]) -> bool:
        """Put one that borrower did not have last at the end of idle.

        False where there is none, and one is being opened, or could be.
        """
        if idle[-1] is not self._last.get(borrower):
            return True
        if len(idle) > 1:
            idle.insert(0, idle.pop())
            return True
        if self.opening[borrower.key]:
            return False
        return len(self) >= self.max_connections or borrower.key in self.retry_at

    def _make_room(self) -> None:
        """Close the connection that was idle for longest, one at a time."""
        if self.closing:
            return
        oldest = min(
            (idle[0] for idle in self.idle.values() if idle),
            key=lambda connection: connection.idle_since,
            default=None,
        )
        if oldest is not None:
            oldest.close("Room was needed for another user or database.")

    def _shelf(self, borrower: Borrower) -> list[Connection] | None:
        """Those that are idle for borrower; found once, and kept with it."""
        idle_list = self.idle.get(borrower.key)
        borrower.idle_list, borrower.idle_list_pool = idle_list, self
        return idle_list

    def _store(self, connection: Connection) -> None:
        connection.idle_since = self.now()
        idle_list = connection.idle_list
        if idle_list is None:
            idle_list = connection.idle_list = self.idle.setdefault(connection.key, [])
        idle_list.append(connection)

    def _remove(self, connection: Connection) -> None:
        self.open.discard(connection)
        idle_list, connection.idle_list = connection.idle_list, None
        if idle_list is not None and connection in idle_list:
            idle_list.remove(connection)

    def _end_opening(self, key: Key) -> None:
        self.opening[key] -= 1
        if not self.opening[key]:
            del self.opening[key]
