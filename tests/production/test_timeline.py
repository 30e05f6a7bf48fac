"""Counts over time, in a bounded number of buckets."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pinwatch.production.timeline import MAX_BUCKETS, Timeline

START = datetime(2026, 11, 30, tzinfo=UTC)
WEEK = 7 * 86_400
moments = st.lists(
    st.tuples(st.sampled_from(["set", "listen"]), st.integers(0, 10 * WEEK)),
    min_size=1,
)


@given(moments)
def test_each_count_is_in_the_bucket_of_its_time(found: list[tuple[str, int]]) -> None:
    timeline = Timeline()
    for rule, seconds in found:
        timeline.add(rule, START + timedelta(seconds=seconds))
    buckets = dict(timeline)
    assert len(buckets) <= MAX_BUCKETS
    width = timedelta(seconds=timeline.width)
    for start, counts in buckets.items():
        times = ((rule, START + timedelta(seconds=seconds)) for rule, seconds in found)
        assert counts == Counter(r for r, at in times if start <= at < start + width)
    assert sum(counts.total() for counts in buckets.values()) == len(found)


def test_nothing() -> None:
    assert list(Timeline()) == []
