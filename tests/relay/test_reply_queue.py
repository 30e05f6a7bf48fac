"""The queue of what is due, beside a list."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from pinwatch.relay.reply_queue import (
    PASSED,
    PLAIN,
    QUERY,
    SYNC,
    Change,
    ReplyQueue,
    answered_by_ready,
)


@given(st.lists(st.sampled_from(["append", "take", "prepend"]), max_size=4 * PASSED))
def test_it_is_a_queue(steps: list[str]) -> None:
    due, entries = ReplyQueue(), list[object]()
    for number, step in enumerate(steps):
        if step == "append":
            due.append(number)
            entries.append(number)
        elif step == "prepend":
            due.prepend(number)
            entries.insert(0, number)
        elif entries:
            assert due.take() == entries.pop(0)
        assert list(due) == entries
        assert list(due.backwards()) == entries[::-1]
        assert len(due) == len(entries)
        assert bool(due) is bool(entries)
        assert (number in due) is (number in entries)


def test_what_is_past_is_not_kept() -> None:
    due = ReplyQueue()
    for number in range(10 * PASSED):
        due.append(number)
    for _ in range(10 * PASSED - 1):
        due.take()
        assert len(due._entries) <= max(2 * len(due) + 1, len(due) + PASSED + 1)
    due[0] = SYNC
    assert due[0] == SYNC
    assert due.take() == SYNC
    assert not due


def test_what_is_taken_is_held_no_longer() -> None:
    due = ReplyQueue()
    change = Change(swallow=False)
    gone = sys.getrefcount(change)
    due.append(QUERY)
    due.append(change)
    due.append(QUERY)
    due.take()
    due.take()
    assert sys.getrefcount(change) == gone
    due.take()
    assert not due


def test_what_comes_before_the_first_takes_the_room_that_is_there() -> None:
    due = ReplyQueue()
    for _ in range(10 * PASSED):
        due.append(QUERY)
        due.prepend(due.take())
        due.append(SYNC)
        assert [due.take(), due.take()] == [QUERY, SYNC]
    assert len(due._entries) <= 2


def test_what_ready_for_query_answers() -> None:
    assert answered_by_ready(QUERY)
    assert not answered_by_ready(PLAIN)
