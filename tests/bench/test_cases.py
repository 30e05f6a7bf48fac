"""The table of loads, and the choice of some of it."""

from __future__ import annotations

import pytest

from bench.cases import CASES, QUICK, choose


def test_every_case_has_its_own_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_quick_run_is_made_of_cases_of_the_table() -> None:
    assert {case.name for case in choose(list(QUICK))} == set(QUICK)


def test_patterns_choose_in_the_order_of_the_table() -> None:
    names = [case.name for case in choose(["copy-*", "simple-1*-tls"])]
    assert names == [
        "simple-1-tls",
        "simple-10-tls",
        "simple-100-tls",
        "simple-1000-tls",
        "copy-out",
        "copy-in",
    ]


def test_a_pattern_that_matches_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="'simpel-10'"):
        choose(["copy-*", "simpel-10"])
