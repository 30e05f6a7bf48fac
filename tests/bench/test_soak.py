"""The arithmetic of a soak."""

from __future__ import annotations

import os
from itertools import accumulate, repeat

import pytest

from bench.soak.books import Count, Rows
from bench.soak.memory import Curve, Sample, least_squares, sample

SLOPE = 0.25


def test_the_slope_of_a_line_is_found_through_noise() -> None:
    points = [(x, SLOPE * x + (x % 2)) for x in map(float, range(101))]
    assert least_squares(points) == pytest.approx(SLOPE)


def test_only_the_last_two_thirds_are_measured() -> None:
    rising = list(accumulate(repeat(1.0, 30)))
    flat = [rising[-1]] * 2 * len(rising)
    curve = Curve(os.getpid())
    for second, used in enumerate(rising + flat):
        curve.samples.append(Sample(second, used, used, used, used, files=0))
    assert curve.slope == pytest.approx(0)
    assert len(curve.measured) == len(flat)


def test_a_sample_of_this_process() -> None:
    found = sample(os.getpid(), 0)
    assert 0 < found.anonymous <= found.uss <= found.pss <= found.rss
    assert found.files > 0


def test_a_lost_request_may_count_or_not() -> None:
    count = Count(sent=5, answered=3)
    assert [count.admits(value) for value in (2, 3, 5, 6)] == [False, True, True, False]


def test_rows_are_unknown_until_their_outcome_is_answered() -> None:
    rows = Rows()
    committed, rolled_back, lost = rows.new(), rows.new(), rows.new()
    rows.commit(committed)
    rows.roll_back(rolled_back)
    assert (rows.committed, rows.total, rows.unknown) == (1, committed, {lost})
