"""The sessions that are pinned at a time, and what remains without a kind of them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pinwatch.production.sessions import MAX_PINNED, PinnedSessions

START = datetime(2026, 11, 30, tzinfo=UTC)
KINDS = ("a", "b", "c")
spans = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 50), st.integers(1, 50))
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def peak(spans: list[tuple[str, int, int]]) -> int:
    """The largest number of spans at a time; one that ends at a time is over."""
    starts = [start for _, start, _ in spans]
    return max(
        (sum(s <= now < s + length for _, s, length in spans) for now in starts),
        default=0,
    )


@given(spans)
def test_peaks_and_seconds_are_those_of_the_spans(
    spans: list[tuple[str, int, int]],
) -> None:
    sessions: PinnedSessions[str] = PinnedSessions()
    happened = [
        moment
        for number, (kind, start, length) in enumerate(spans)
        for moment in (
            (start + length, 0, number, kind),
            (start, 1, number, kind),
        )
    ]
    for seconds, begins, number, kind in sorted(happened):
        if begins:
            sessions.pinned(str(number), at(seconds), (kind,))
        else:
            sessions.ended(str(number), at(seconds))
    assert len(sessions) == 0
    assert sessions.peak == peak(spans)
    for kind, group in sessions.groups.items():
        own = [length for other, _, length in spans if other == kind]
        assert group.seconds == sum(own)
        assert group.peak_without == peak([one for one in spans if one[0] != kind])


def test_a_session_ends_after_a_day() -> None:
    sessions: PinnedSessions[str] = PinnedSessions()
    sessions.pinned("1", START, ("a",))
    sessions.pinned("2", START + 2 * MAX_PINNED, ("b",))
    assert (len(sessions), sessions.peak) == (1, 1)
    assert sessions.groups["a"].seconds == MAX_PINNED.total_seconds()


def test_the_end_of_the_log_ends_all() -> None:
    sessions: PinnedSessions[str] = PinnedSessions()
    sessions.pinned("1", START, ("a",))
    assert sessions.end_all(at(7)) == {"a": 1}
    assert sessions.groups["a"].seconds == 7
