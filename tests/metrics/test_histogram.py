"""Histograms count each value in one bucket."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from pinwatch.counters import Histogram

BOUNDS = (0.5, 1.0, 2.0)
SECONDS = st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 2.5))


@given(st.lists(st.lists(SECONDS, max_size=20)))
def test_each_is_in_its_bucket(rounds: list[list[float]]) -> None:
    histogram = Histogram(BOUNDS)
    counts, total = [0, 0, 0, 0], 0.0
    for seconds in rounds:
        for one in seconds:
            histogram.observe(one)
            counts[bisect_left(BOUNDS, one)] += 1
            total += one
        assert histogram.buckets() == (BOUNDS, counts, total)


def test_what_was_read_stays_as_it_was() -> None:
    histogram = Histogram(BOUNDS)
    before = histogram.buckets()
    histogram.observe(0.1)
    assert before.counts == [0, 0, 0, 0]
