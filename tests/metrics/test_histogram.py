"""Histograms, which sort into buckets what they are told many at a time."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from pinwatch.counters import FRESH, LATENCIES, Histogram

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


def test_it_does_not_wait_to_be_read() -> None:
    histogram = Histogram()
    for _ in range(3 * FRESH + 1):
        histogram.observe(LATENCIES[3])
    assert len(histogram._fresh) == 1
    assert histogram.buckets().counts[3] == 3 * FRESH + 1


def test_what_was_read_stays_as_it_was() -> None:
    histogram = Histogram(BOUNDS)
    before = histogram.buckets()
    histogram.observe(0.1)
    assert before.counts == [0, 0, 0, 0]
