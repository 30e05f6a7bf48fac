"""The pool alone: the order of borrows, and no wait without a reason."""

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters
from pinwatch.errors import ClientError, request_error
from pinwatch.pool.interfaces import Borrower, Connection, Key
from pinwatch.pool.pool import Pool

ADA: Key = (b"ada", b"shop")
BOB: Key = (b"bob", b"shop")
CAT: Key = (b"cat", b"shop")
KEYS = (ADA, BOB, CAT)
NO = request_error("no", "3D000")


class Wire(Connection):
    """A connection that records why it was closed."""

    def __init__(self, pool: "Pool[Wire]", key: Key) -> None:
        super().__init__(key)
        self.pool = pool
        self.reasons: list[str] = []

    @property
    def pinned_by(self) -> str | None:
        return None

    def close(self, reason: str) -> None:
        self.reasons.append(reason)
        self.pool.retire(self)


class Session(Borrower[Wire]):
    """A borrower that records its connection and its errors."""

    def __init__(self, key: Key) -> None:
        super().__init__(key, EndpointCounters())
        self.connection: Wire | None = None
        self.errors: list[str] = []

    def connection_borrowed(self, connection: Wire) -> None:
        assert self.connection is None, "two connections for one borrower"
        self.connection = connection

    def borrow_failed(self, error: ClientError) -> None:
        assert self.connection is None, "served and refused"
        self.errors.append(error.text)


class Room:
    """A pool whose openings and whose clock a test controls."""

    def __init__(self, size: int = 1, timeout: float = 120) -> None:
        self.clock = Clock()
        self.clock.now = 0.0
        self.asked: list[Key] = []
        self.soon: list[Callable[[], None]] = []
        self.pool: Pool[Wire] = Pool(
            size,
            timeout,
            self.asked.append,
            self.clock,
            self.soon.append,
        )

    def borrow(self, key: Key = ADA) -> Session:
        session = Session(key)
        connection = self.pool.borrow(session)
        if connection is not None:
            session.connection_borrowed(connection)
        return session

    def opened(self, key: Key = ADA) -> Wire:
        self.asked.remove(key)
        wire = Wire(self.pool, key)
        self.pool.opened(wire)
        return wire

    def idle(self, key: Key = ADA) -> Wire:
        """Return a new idle connection; the pool must have no waiter."""
        session = self.borrow(key)
        wire = self.opened(key)
        assert session.connection is wire
        self.pool.give_back(wire)
        return wire


def test_a_connection_is_opened_on_demand_and_borrowed() -> None:
    room = Room(size=3)
    assert len(room.pool) == 0
    session = room.borrow()
    assert room.asked == [ADA]
    assert session.connection is None
    wire = room.opened()
    assert session.connection is wire
    assert list(room.pool.borrowed) == [wire]
    assert len(room.pool) == 1


def test_an_idle_connection_is_borrowed_at_once() -> None:
    room = Room()
    wire = room.idle()
    assert room.borrow().connection is wire
    assert room.asked == []


def test_idle_connections_are_borrowed_last_in_first_out() -> None:
    room = Room(size=2)
    one, two = room.borrow(), room.borrow()
    wires = room.opened(), room.opened()
    assert (one.connection, two.connection) == wires
    for wire in wires:
        room.pool.give_back(wire)
    assert room.borrow().connection is wires[1]
    assert room.borrow().connection is wires[0]


def test_another_pair_of_user_and_database_gets_its_own() -> None:
    room = Room(size=2)
    room.idle(ADA)
    session = room.borrow(BOB)
    assert session.connection is None
    assert room.opened(BOB) is session.connection


def test_waiters_are_served_in_order() -> None:
    room = Room()
    first = room.borrow()
    waiting = [room.borrow() for _ in range(3)]
    wire = room.opened()
    assert first.connection is wire
    for session in waiting:
        assert session.connection is None
        room.pool.give_back(wire)
        assert session.connection is wire
        assert list(room.pool.borrowed) == [wire]


def test_one_connection_is_opened_for_each_waiter_and_no_more() -> None:
    room = Room(size=3)
    for _ in range(5):
        room.borrow()
    assert room.asked == [ADA] * 3
    assert len(room.pool) == 3


def test_a_cancelled_borrow_is_not_served() -> None:
    room = Room()
    first, gone, last = room.borrow(), room.borrow(), room.borrow()
    wire = room.opened()
    room.pool.cancel_borrow(gone)
    room.pool.give_back(wire)
    assert first.connection is last.connection is wire
    assert gone.connection is None


@pytest.mark.parametrize("count", [3, 1000])
def test_borrowers_that_give_back_at_once_as_logins_do(count: int) -> None:
    room = Room()

    class Login(Session):
        served = 0

        def connection_borrowed(self, connection: Wire) -> None:
            self.served += 1
            room.pool.give_back(connection)

    logins = [Login(ADA) for _ in range(count)]
    assert [room.pool.borrow(login) for login in logins] == [None] * count
    wire = room.opened()
    assert [login.served for login in logins] == [1] * count
    assert room.asked == []
    assert room.borrow().connection is wire


def test_cancelling_without_a_borrow_has_no_effect() -> None:
    room = Room()
    room.pool.cancel_borrow(Session(ADA))
    assert len(room.pool) == 0


def test_a_later_borrower_does_not_overtake() -> None:
    room = Room(size=2)
    closing = room.idle(CAT)
    room.borrow(BOB)
    wire = room.opened(BOB)
    first = room.borrow(ADA)
    assert list(room.pool.closing) == [closing]
    room.pool.give_back(wire)
    second = room.borrow(BOB)
    assert second.connection is None
    room.pool.closed(closing)
    assert second.connection is wire
    assert room.opened(ADA) is first.connection


def test_a_connection_whose_borrower_left_stays_for_the_next() -> None:
    room = Room()
    gone = room.borrow()
    room.pool.cancel_borrow(gone)
    wire = room.opened()
    assert gone.connection is None
    assert room.borrow().connection is wire


def test_the_longest_idle_connection_makes_room_for_another_pair() -> None:
    room = Room(size=2)
    young = room.idle(BOB)
    room.clock.now = 1
    old = room.idle(ADA)
    room.clock.now = 2
    assert room.borrow(BOB).connection is young
    room.pool.give_back(young)
    session = room.borrow(CAT)
    assert (len(old.reasons), len(young.reasons)) == (1, 0)
    assert list(room.pool.closing) == [old]
    assert room.asked == []
    room.pool.closed(old)
    assert room.opened(CAT) is session.connection
    assert young.reasons == []


def test_room_is_made_after_all_earlier_waiters_were_served() -> None:
    room = Room()
    room.borrow(ADA)
    lost = room.opened(ADA)
    first, second = room.borrow(CAT), room.borrow(CAT)
    lost.close("")
    room.pool.closed(lost)
    wire = room.opened(CAT)
    for session in first, second:
        assert session.connection is wire
        room.pool.give_back(wire)
    room.borrow(ADA)
    assert list(room.pool.closing) == [wire]


def test_one_connection_at_a_time_makes_room() -> None:
    room = Room(size=2)
    one, two = room.idle(ADA), room.idle(BOB)
    room.borrow(CAT)
    room.borrow(CAT)
    assert list(room.pool.closing) == [one]
    room.pool.closed(one)
    assert room.asked == [CAT]
    assert list(room.pool.closing) == [two]


def test_a_closing_connection_counts_and_is_not_borrowed() -> None:
    room = Room()
    wire = room.idle()
    wire.close("Enough.")
    session = room.borrow()
    assert session.connection is None
    assert room.asked == []
    assert len(room.pool) == 1
    room.pool.closed(wire)
    assert room.asked == [ADA]
    assert len(room.pool) == 1


@pytest.mark.parametrize("waits", [False, True], ids=["no waiter", "one waiter"])
def test_a_connection_returned_while_closing_is_not_borrowed(
    waits: bool,
) -> None:
    """A fault closes connections in this way."""
    room = Room()
    session = room.borrow()
    wire = room.opened()
    assert session.connection is wire
    waiter = room.borrow() if waits else None
    room.pool.retire(wire)
    room.pool.give_back(wire)
    assert room.pool.in_use == 0
    next_one = waiter or room.borrow()
    assert next_one.connection is None
    room.pool.closed(wire)
    assert room.opened() is next_one.connection


def test_a_borrowed_connection_that_is_lost_makes_room() -> None:
    room = Room()
    room.borrow()
    wire = room.opened()
    waiter = room.borrow()
    room.pool.closed(wire)
    assert len(room.pool) == 1
    assert room.opened() is waiter.connection


def test_a_refusal_is_reported_to_the_longest_waiter() -> None:
    room = Room(size=2)
    other, first, second = room.borrow(BOB), room.borrow(ADA), room.borrow(ADA)
    room.asked.remove(ADA)
    room.pool.refused(ADA, NO)
    assert first.errors == [NO.text]
    assert other.errors == second.errors == []
    assert room.asked == [BOB, ADA]


def test_a_refusal_without_a_waiter_is_dropped() -> None:
    room = Room()
    gone = room.borrow(ADA)
    room.pool.cancel_borrow(gone)
    waiter = room.borrow(BOB)
    room.asked.remove(ADA)
    room.pool.refused(ADA, NO)
    assert gone.errors == waiter.errors == []
    assert room.asked == [BOB]


def test_a_wait_ends_with_the_borrow_timeout() -> None:
    room = Room(timeout=120)
    first = room.borrow()
    room.clock.now = 60
    second = room.borrow()
    room.clock.now = 119.9
    room.pool.sweep()
    assert first.errors == second.errors == []
    room.clock.now = 120
    room.pool.sweep()
    assert first.errors == ["Timed-out waiting to acquire database connection."]
    assert second.errors == []
    assert second in room.pool.waiting


def test_a_borrow_timeout_of_zero_still_gets_an_idle_connection() -> None:
    room = Room(timeout=0)
    session = room.borrow()
    room.pool.sweep()
    assert len(session.errors) == 1
    wire = room.opened()
    assert room.borrow().connection is wire


def test_a_failed_opening_is_retried_when_due() -> None:
    room = Room()
    session = room.borrow()
    room.asked.clear()
    room.pool.unavailable(ADA, 5)
    assert len(room.pool) == 0
    room.borrow()
    room.clock.now = 4.9
    room.pool.sweep()
    assert room.asked == []
    room.clock.now = 5
    room.pool.sweep()
    assert room.asked == [ADA]
    assert session.errors == []
    assert room.opened() is session.connection


def test_a_successful_opening_ends_the_wait_for_a_retry() -> None:
    room = Room(size=3)
    room.borrow(), room.borrow()
    room.asked.remove(ADA)
    room.pool.unavailable(ADA, 60)
    assert room.pool.retry_at == {ADA: 60}
    room.opened()
    assert room.pool.retry_at == {}
    assert room.asked == [ADA]


def test_a_pair_that_is_unavailable_does_not_hold_up_others() -> None:
    room = Room(size=2)
    room.borrow(ADA)
    room.asked.clear()
    room.pool.unavailable(ADA, 60)
    session = room.borrow(BOB)
    assert room.opened(BOB) is session.connection
    room.pool.give_back(session.connection)
    assert room.borrow(BOB).connection is session.connection


def test_room_left_by_a_failed_opening_goes_to_the_next_waiter() -> None:
    room = Room(size=1)
    room.borrow(ADA)
    room.borrow(BOB)
    room.asked.clear()
    room.pool.unavailable(ADA, 60)
    assert room.asked == [BOB]


@pytest.mark.parametrize("why", ["left", "timeout"])
def test_an_idle_connection_does_not_wait_for_another_to_close(why: str) -> None:
    room = Room(size=2)
    room.idle(CAT)
    first = room.borrow(BOB)
    wire = room.opened(BOB)
    assert first.connection is wire
    blocked = room.borrow(ADA)
    room.clock.now = 1
    waiter = room.borrow(BOB)
    room.pool.give_back(wire)
    if why == "left":
        room.pool.cancel_borrow(blocked)
    else:
        room.clock.now = 120
        room.pool.sweep()
    assert waiter.connection is wire


def test_a_borrower_may_get_another_connection_each_time() -> None:
    room = Room(size=2)
    room.pool.swap = True
    session = room.borrow()
    first = room.opened()
    assert session.connection is first
    session.connection = None
    room.pool.give_back(first)

    assert room.pool.borrow(session) is None
    second = room.opened()
    assert session.connection is second
    session.connection = None
    room.pool.give_back(second)

    assert room.pool.borrow(session) is first
    room.pool.give_back(first)
    assert room.pool.borrow(session) is second
    room.pool.give_back(second)
    room.pool.cancel_borrow(session)
    assert not room.pool._last


def test_without_room_a_borrower_gets_the_same_connection() -> None:
    room = Room(size=1)
    room.pool.swap = True
    session = room.borrow()
    only = room.opened()
    room.pool.give_back(only)
    assert room.pool.borrow(session) is only


def test_a_returned_connection_is_not_given_to_its_last_borrower() -> None:
    room = Room(size=2)
    room.pool.swap = True
    ada, other = Session(ADA), Session(ADA)
    assert room.pool.borrow(ada) is None
    wire = room.opened()
    room.pool.give_back(wire)
    assert room.pool.borrow(other) is wire
    ada.connection = None
    assert room.pool.borrow(ada) is None
    room.pool.give_back(wire)
    assert ada.connection is None
    second = room.opened()
    assert ada.connection is second


def test_a_connection_that_is_reset_counts_until_it_is_returned() -> None:
    room = Room()
    room.borrow()
    wire = room.opened()
    room.pool.reset_started(wire)
    assert list(room.pool.resetting) == [wire]
    assert (len(room.pool.borrowed), room.pool.in_use, len(room.pool)) == (0, 1, 1)
    waiter = room.borrow()
    assert waiter.connection is None
    room.pool.give_back(wire)
    assert waiter.connection is wire
    assert not room.pool.resetting


def test_a_connection_retired_while_a_waiter_is_served_is_not_borrowed() -> None:
    """The first waiter returns the connection, which is retired in the same call."""
    room = Room()

    class Brief(Session):
        def connection_borrowed(self, connection: Wire) -> None:
            room.pool.give_back(connection)
            room.pool.retire(connection)

    room.borrow()
    wire = room.opened()
    assert room.pool.borrow(Brief(ADA)) is None
    last = room.borrow()
    room.pool.give_back(wire)
    assert last.connection is None
    assert list(room.pool.closing) == [wire]


def test_use_by_the_proxy_does_not_change_state_since() -> None:
    room = Room()
    wire = room.idle()
    room.clock.now = 60
    assert room.pool.take_idle() is wire
    assert wire.state_since == 0
    assert room.pool.take_idle() is None
    room.pool.put_back(wire)
    assert room.pool.idle_connections() == [wire]
    assert wire.state_since == 0


def test_a_waiter_borrows_what_the_proxy_puts_back() -> None:
    room = Room()
    wire = room.idle()
    room.pool.take_idle()
    waiting = room.borrow()
    room.clock.now = 60
    room.pool.put_back(wire)
    assert waiting.connection is wire
    assert wire.state_since == 60


def test_what_was_closed_while_the_proxy_used_it_stays_closing() -> None:
    room = Room()
    wire = room.idle()
    room.pool.take_idle()
    room.clock.now = 60
    wire.close("It failed.")
    room.pool.put_back(wire)
    assert list(room.pool.closing) == [wire]
    assert wire.state_since == 60


def test_repr_counts_each_state() -> None:
    room = Room(size=5)
    room.idle(BOB)
    room.idle(CAT).close("")
    room.borrow()
    room.borrow()
    wire = room.opened()
    room.opened()
    room.pool.reset_started(wire)
    room.borrow()
    room.borrow()
    room.pool.pause()
    assert repr(room.pool) == (
        "<Pool max 5, 1 opening, 1 idle, 1 borrowed, 1 resetting, 1 closing, "
        "2 waiting, paused>"
    )


def test_a_weak_reference_does_not_belong_to_its_object() -> None:
    session = Session(ADA)
    weak = weakref.ref(session)
    kept = [weak, weak]  # so that a reference too few frees nothing
    count = sys.getrefcount(weak)
    del session
    gc.collect()
    assert kept[0]() is None
    assert sys.getrefcount(weak) == count


class Random(Session):
    """A borrower that acts again while it is served or refused."""

    def __init__(self, key: Key, schedule: "Schedules", temper: str) -> None:
        super().__init__(key)
        self.schedule = schedule
        self.temper = temper
        self.waiting = False

    def ask(self) -> None:
        assert self.connection is None
        assert not self.waiting
        self.waiting = True
        self.schedule.queue.append(self)
        connection = self.schedule.pool.borrow(self)
        if connection is not None:
            self.connection_borrowed(connection)

    def connection_borrowed(self, connection: Wire) -> None:
        schedule = self.schedule
        self._served()
        assert connection.key == self.key
        assert not [s for s in schedule.holders if s.connection is connection]
        assert connection in schedule.open
        super().connection_borrowed(connection)
        schedule.holders.append(self)
        if self.temper == "brief":
            self.leave()
            schedule.pool.give_back(connection)
        elif self.temper == "broken":
            self.leave()
            connection.close("It broke.")

    def leave(self) -> None:
        self.connection = None
        self.schedule.holders.remove(self)

    def borrow_failed(self, error: ClientError) -> None:
        self._served()
        super().borrow_failed(error)
        if self.temper == "stubborn":
            self.temper = "calm"
            self.ask()

    def _served(self) -> None:
        queue = self.schedule.queue
        assert self.waiting, "served without having asked"
        assert self.schedule.swap or not [
            s for s in queue[: queue.index(self)] if s.key == self.key
        ]
        queue.remove(self)
        self.waiting = False


class Schedules(RuleBasedStateMachine):
    """Events of sessions, of the database and of the clock, in any order."""

    swap = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.now = 0.0
        self.opening: Counter[Key] = Counter()
        self.open: list[Wire] = []  # not closed
        self.queue: list[Random] = []  # the waiters, in the order of their arrival
        self.holders: list[Random] = []

    @initialize(size=st.integers(1, 4))
    def start(self, size: int) -> None:
        self.soon: list[Callable[[], None]] = []
        self.pool: Pool[Wire] = Pool(
            size,
            10,
            self.asked_to_open,
            self.clock,
            self.soon.append,
        )
        self.pool.swap = self.swap

    def asked_to_open(self, key: Key) -> None:
        self.opening[key] += 1
        waiting = [session for session in self.pool.waiting if session.key == key]
        assert self.opening[key] <= len(waiting)

    def opening_key(self, data: st.DataObject) -> Key:
        key = data.draw(st.sampled_from(sorted(+self.opening)))
        self.opening[key] -= 1
        return key

    @rule(
        key=st.sampled_from(KEYS),
        temper=st.sampled_from(["calm", "calm", "brief", "broken", "stubborn"]),
    )
    def borrow(self, key: Key, temper: str) -> None:
        Random(key, self, temper).ask()

    def let_go(self, data: st.DataObject) -> tuple[Random, Wire]:
        """Take the connection from a random borrower; return both."""
        holder = data.draw(st.sampled_from(self.holders))
        connection = holder.connection
        assert connection is not None
        holder.leave()
        return holder, connection

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        _, connection = self.let_go(data)
        self.pool.give_back(connection)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def reset_and_give_back(self, data: st.DataObject) -> None:
        _, connection = self.let_go(data)
        self.pool.reset_started(connection)
        assert connection in self.pool.resetting
        self.pool.give_back(connection)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel_borrow(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.queue))
        self.queue.remove(session)
        session.waiting = False
        self.pool.cancel_borrow(session)

    def drop(self, wire: Wire) -> None:
        """Take the connection from its borrower, if it has one."""
        for holder in [h for h in self.holders if h.connection is wire]:
            holder.leave()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(self.open))
        self.drop(wire)
        self.pool.retire(wire)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def retire_and_give_back(self, data: st.DataObject) -> None:
        _, connection = self.let_go(data)
        self.pool.retire(connection)
        self.pool.give_back(connection)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def closed(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(self.open))
        self.drop(wire)
        self.open.remove(wire)
        self.pool.closed(wire)

    @precondition(lambda self: self.opening.total())
    @rule(data=st.data())
    def opened(self, data: st.DataObject) -> None:
        wire = Wire(self.pool, self.opening_key(data))
        self.open.append(wire)
        self.pool.opened(wire)

    @precondition(lambda self: self.opening.total())
    @rule(data=st.data())
    def refused(self, data: st.DataObject) -> None:
        self.pool.refused(self.opening_key(data), NO)

    @precondition(lambda self: self.opening.total())
    @rule(data=st.data(), retry_after=st.sampled_from([1.0, 4.0]))
    def unavailable(self, data: st.DataObject, retry_after: float) -> None:
        self.pool.unavailable(self.opening_key(data), retry_after)
        # That the pool does this by itself is tested by
        # test_room_left_by_a_failed_opening_goes_to_the_next_waiter
        self.pool.match()

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 9.0]))
    def sweep(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pool.sweep()
        assert all(one.wait_deadline > self.clock.now for one in self.pool.waiting)
        assert all(at > self.clock.now for at in self.pool.retry_at.values())

    @rule()
    def more_room(self) -> None:
        """The target's own limit was raised."""
        self.pool.max_connections += 1
        self.pool.match()

    @precondition(lambda self: not self.pool.paused)
    @rule()
    def pause(self) -> None:
        self.pool.pause()

    @precondition(lambda self: self.pool.paused)
    @rule()
    def resume(self) -> None:
        self.pool.resume()

    @invariant()
    def the_cap_holds(self) -> None:
        counted = self.opening.total() + len(self.open)
        assert len(self.pool) == counted <= self.pool.max_connections, self.pool
        assert self.pool.opening == +self.opening

    @invariant()
    def a_connection_is_in_one_place(self) -> None:
        pool = self.pool
        places = [wire for idle in pool.idle.values() for wire in idle]
        places += [*pool.borrowed, *pool.closing]
        assert len(places) == len(self.open)
        assert {id(wire) for wire in places} == {id(wire) for wire in self.open}
        held = {id(holder.connection) for holder in self.holders}
        assert {id(wire) for wire in pool.borrowed} == held
        assert len(pool.borrowed) == len(held)
        assert all(wire.key == key for key, idle in pool.idle.items() for wire in idle)

    @invariant()
    def a_borrower_waits_or_is_served(self) -> None:
        assert list(self.pool.waiting) == self.queue
        assert not [session for session in self.queue if session.connection]

    def idle_for(self, session: Random) -> list[Wire]:
        return list(self.pool.idle.get(session.key, []))

    @invariant()
    def each_wait_has_a_reason(self) -> None:
        pool = self.pool
        if pool.paused:
            return
        covered: Counter[Key] = Counter()
        for session in self.queue:
            key = session.key
            # A later waiter is served only after the one for which room is made.
            assert not self.idle_for(session) or pool.closing
            covered[key] += 1
            if covered[key] > pool.opening[key] and key not in pool.retry_at:
                assert len(pool) == pool.max_connections
                assert pool.closing or not pool.idle_count


class SwappingSchedules(Schedules):
    """The same events in a pool that gives a borrower another connection each time."""

    swap = True

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def give_back_and_ask_again(self, data: st.DataObject) -> None:
        holder, connection = self.let_go(data)
        self.pool.give_back(connection)
        room = len(self.pool) < self.pool.max_connections and not self.pool.paused
        holder.ask()
        if room and holder.key not in self.pool.retry_at:
            assert holder.connection is not connection

    def idle_for(self, session: Random) -> list[Wire]:
        last = self.pool._last.get(session)
        return [one for one in super().idle_for(session) if one is not last]


TestSwappingSchedules = SwappingSchedules.TestCase
TestSwappingSchedules.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
