"""The history keeps pins and their ends."""

import gc
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Final
from weakref import ref

import pytest

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.observers import schemas
from pinwatch.observers.pin_history import History
from pinwatch.pins.alike import MAX_DIGESTS as MAX_CACHED
from pinwatch.pins.alike import alike
from tests.pinned import AT, PIN, unpinned


@pytest.fixture
def history(clock: Clock) -> History:
    return History(clock)


def pinned(client: int, connection: int = 9, digest: str = "") -> events.SessionPinned:
    at = AT + timedelta(seconds=client)
    return replace(PIN, at=at, client=client, connection=connection, digest=digest)


def clients(history: History, lasting: bool = False) -> list[int]:
    return [pin.event.client for pin in history.pins(lasting)]


def test_a_pin_lasts_until_the_session_ends(history: History, clock: Clock) -> None:
    history(pinned(1))
    clock.now += 2
    (pin,) = history.pins()
    assert (pin.id, pin.until, pin.seconds_at(clock.now)) == (1, None, 2)
    clock.now += 3
    history(unpinned(1))
    clock.now += 60
    (pin,) = history.pins()
    assert (pin.id, pin.until, pin.seconds_at(clock.now)) == (1, AT, 5)


def test_the_newest_are_first(history: History) -> None:
    for client in (1, 2, 3):
        history(pinned(client))
    history(unpinned(2))
    assert clients(history) == [3, 2, 1]
    assert clients(history, lasting=True) == [3, 1]


def test_past_pins_are_limited_and_present_ones_are_not(clock: Clock) -> None:
    history = History(clock, max_pins=3)
    history(pinned(1))
    for client in range(2, 8):
        history(pinned(client))
        history(unpinned(client))
    assert clients(history) == [7, 6, 5, 1]


def test_past_pins_are_limited_by_their_memory(clock: Clock) -> None:
    sizes = (FEW, 4 * FEW)
    used = [memory_of(clock, pins, max_bytes=LITTLE) for pins in sizes]
    assert used[1] < 1.2 * used[0] < 1.5 * LITTLE


def test_digests_that_are_dropped_are_not_kept_by_their_pins(clock: Clock) -> None:
    history = History(clock, max_pins=FEW, max_digests=1)
    dropped = []
    for client in range(FEW):
        history(pinned(client, digest=f"of {'abcdefghij'[client % 10] * client}"))
        dropped += [ref(digest) for digest in history.digests.ranked(clock.now)]
        history(unpinned(client))
    gc.collect()
    left = {id(digest()) for digest in dropped if digest() is not None}
    assert len(history.pins()) == FEW
    assert len(left) <= 2


FEW: Final = 200
LITTLE: Final = 200_000  # bytes, less than those of few pins


def memory_of(clock: Clock, pins: int, max_bytes: int) -> int:
    """Return the bytes of a history after this many pins with a long text each."""
    tracemalloc.start()
    try:
        history = History(clock, max_digests=1, max_bytes=max_bytes)
        for client in range(pins):
            text = f"SELECT {client:02000}"
            history(replace(pinned(client), sql=text, statement=text[1:]))
            history(unpinned(client))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_every_pin_ends_with_its_session(history: History, clock: Clock) -> None:
    """With every finding reported, the session still has one database connection."""
    history(pinned(1))
    clock.now += 1
    history(replace(pinned(1), first=False))
    clock.now += 1
    history(unpinned(1))
    assert [pin.seconds for pin in history.pins()] == [1, 2]
    (digest,) = history.digests.ranked(clock.now)
    assert (digest.count, digest.later) == (2, 1)
    assert (digest.peak_connections, digest.seconds) == (1, 2)


def test_a_listener_receives_both_ends(history: History) -> None:
    heard: list[tuple[int, bool]] = []
    history.listeners.append(lambda pin: heard.append((pin.id, pin.until is None)))
    history(pinned(1))
    history(pinned(2))
    history(unpinned(1))
    history(unpinned(3))  # an unknown client
    assert heard == [(1, True), (2, True), (1, False)]


def test_digests_are_summed_and_ranked(history: History, clock: Clock) -> None:
    history(pinned(1, connection=1, digest="a"))
    history(pinned(2, connection=2, digest="a"))
    history(pinned(3, connection=3, digest="b"))
    clock.now += 1
    history(unpinned(1))
    clock.now += 10
    history(unpinned(3))
    history(pinned(4, connection=1, digest="a"))
    history(replace(pinned(5, connection=4, digest="a"), rule="listen"))
    now = clock.now
    ranked = [schemas.Digest.of(digest, now) for digest in history.digests.ranked(now)]
    assert [(one.digest, one.rule) for one in ranked] == [
        ("a", "set"),
        ("b", "set"),
        ("a", "listen"),
    ]
    first = ranked[0]
    assert (first.count, first.peak_connections, first.pinned_seconds) == (3, 2, 12)
    assert first.first_seen == AT + timedelta(seconds=1)
    assert first.last_seen == AT + timedelta(seconds=4)
    assert ranked[1].pinned_seconds == 11


def test_comments_do_not_tell_digests_apart(history: History, clock: Clock) -> None:
    for client, digest in enumerate(
        (
            "set a.b = $1",
            "set a.b = $1 /*traceparent='00-1-1-01'*/",
            "/*a:b*/ set a.b = $1 -- here",
        )
    ):
        history(pinned(client, digest=digest))
    (one,) = history.digests.ranked(clock.now)
    assert (one.text, one.count) == ("set a.b = $1", 3)


def test_digests_of_some_pins_read_no_text(history: History) -> None:
    """There are 10,000 pins, and reading a text takes longer than all the rest."""
    for number in range(2 * MAX_CACHED):
        history(pinned(number, digest=f"set a.{'b' * number} to $1"))
    before = alike.cache_info().misses
    digests = history.digests_of(history.pins()).ranked(0)
    assert alike.cache_info().misses == before
    assert [one.text for one in digests[:2]] == ["set a. to $1", "set a.b to $1"]


def test_the_number_of_digests_is_limited(clock: Clock) -> None:
    """The digests that pinned for longest are kept."""
    history = History(clock, max_digests=2)
    history(pinned(1, connection=1, digest="lasting"))
    clock.now += 1
    for client in range(2, 12):
        history(pinned(client, connection=2, digest=f"short{client}"))
        history(unpinned(client))
        ranked = history.digests.ranked(clock.now)
        assert ranked[0].text == "lasting"
        assert len(ranked) <= 4
    history(unpinned(1))


def test_the_document_has_every_field_of_the_event(history: History) -> None:
    history(PIN)
    (pin,) = history.pins()
    answer = schemas.Pin.of(pin, pin.since).model_dump()
    own = {"id", "digest_id", "source", "until", "pinned_seconds"}
    assert {name: answer[name] for name in answer if name not in own} == PIN.values()
