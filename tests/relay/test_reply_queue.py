"""The queue of the replies that are due, compared with a list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwatch.relay.reply_queue import (
    CHANGE,
    KINDS,
    MAX_PAST,
    PLAIN,
    QUERY,
    QUERY_IN_BATCH,
    SYNC,
    ReplyQueue,
)


def ended_at_query(kinds: list[int]) -> bool:
    """Do what ``end_batch_at_query`` does, on a list."""
    ends = [n for n, kind in enumerate(kinds) if QUERY <= kind <= SYNC]
    if ends and kinds[ends[0]] == QUERY:
        kinds[ends[0]] = QUERY_IN_BATCH
    return bool(ends)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "append", "take", "prepend", "end"]),
            st.sampled_from([PLAIN, CHANGE, QUERY, SYNC]),
        ),
        max_size=4 * MAX_PAST,
    )
)
def test_it_is_a_queue(steps: list[tuple[str, int]]) -> None:
    due, kinds = ReplyQueue(), list[int]()
    for step, kind in steps:
        if step == "append":
            due.append(kind)
            kinds.append(kind)
        elif step == "prepend":
            due.prepend(kind)
            kinds.insert(0, kind)
        elif step == "end":
            assert due.end_batch_at_query() is ended_at_query(kinds)
        elif kinds:
            assert due.take() == kinds.pop(0)
        assert list(due) == kinds
        assert due.first() == (kinds[0] if kinds else 0)
        assert len(due) == due.length == len(kinds)
        assert bool(due) is bool(kinds)


def test_past_entries_are_not_kept() -> None:
    due = ReplyQueue()
    for _ in range(10 * MAX_PAST):
        due.append(QUERY)
    for _ in range(10 * MAX_PAST - 1):
        due.take()
        assert len(due._kinds) <= max(2 * len(due) + 1, len(due) + MAX_PAST + 1)
    assert due.take() == QUERY
    assert not due
    with pytest.raises(IndexError):
        due.take()


def test_an_entry_that_is_put_back_takes_the_room_that_is_there() -> None:
    due = ReplyQueue()
    for _ in range(10 * MAX_PAST):
        due.append(QUERY)
        due.prepend(due.take())
        due.append(SYNC)
        assert [due.take(), due.take()] == [QUERY, SYNC]
    assert len(due._kinds) <= 2


def test_every_kind_has_a_word() -> None:
    assert KINDS[SYNC] == "Sync"
    assert len(set(KINDS)) == len(KINDS)
