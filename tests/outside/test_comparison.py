"""Differences are judged by the list, and the list by the differences."""

from __future__ import annotations

from pathlib import Path

import pytest

from outside import comparison, suites
from outside.comparison import Difference, Entry, judge

BEHAVIOUR = Path(__file__).parents[2] / "docs" / "behaviour.md"
DIRECT = {"cancel": "passed", "copy": "passed", "tls": "skipped", "old": "failed"}


def entry(*tests: str, proxied: str = "failed", **rest: object) -> Entry:
    values = {"suite": "s", "rule": "a rule", "note": "a note", **rest}
    return Entry(tests=tests, proxied=proxied, **values)  # type: ignore[arg-type]


def test_equal_outcomes_are_no_difference_whatever_they_are() -> None:
    verdict = judge([], "plain", [DIRECT], [dict(DIRECT)], complete=True)
    assert (verdict.tests, verdict.equal, verdict.passed, verdict.skipped) == (
        4,
        4,
        2,
        1,
    )
    assert verdict.expected


def test_an_unlisted_difference_is_not_expected() -> None:
    verdict = judge([], "plain", [DIRECT], [DIRECT | {"copy": "failed"}], complete=True)
    assert verdict.unlisted == [Difference("copy", "passed", "failed")]
    assert not verdict.expected
    assert str(verdict.unlisted[0]) == (
        "copy: passed directly, failed through pinwatch"
    )


def test_a_listed_difference_is_counted_by_its_rule() -> None:
    proxied = DIRECT | {"cancel": "failed"}
    verdict = judge([entry("cancel")], "plain", [DIRECT], [proxied], complete=True)
    assert verdict.expected
    assert verdict.listed == {"a rule": 1}
    assert verdict.equal == 3


def test_a_listed_test_with_another_outcome_is_not_expected() -> None:
    proxied = DIRECT | {"cancel": "error"}
    verdict = judge([entry("cancel")], "plain", [DIRECT], [proxied], complete=True)
    assert verdict.unlisted == [Difference("cancel", "passed", "error")]
    assert not verdict.gone


def test_a_listed_difference_that_is_gone_is_not_expected() -> None:
    verdict = judge([entry("cancel")], "plain", [DIRECT], [DIRECT], complete=False)
    assert verdict.gone == ["cancel is listed, but no longer differs"]
    assert not verdict.expected


def test_each_test_of_a_pattern_must_differ() -> None:
    proxied = DIRECT | {"cancel": "failed"}
    verdict = judge([entry("c*")], "plain", [DIRECT], [proxied], complete=True)
    assert verdict.gone == ["copy is listed, but no longer differs"]


def test_a_listed_test_that_did_not_run_is_outdated_only_in_a_complete_run() -> None:
    listed = [entry("removed")]
    complete = judge(listed, "plain", [DIRECT], [DIRECT], complete=True)
    assert complete.gone == ["removed is listed, but the suite has no such test"]
    assert judge(listed, "plain", [DIRECT], [DIRECT], complete=False).expected


def test_an_entry_may_be_for_some_modes_only() -> None:
    listed = [entry("copy", modes=("small-pool",))]
    failed = DIRECT | {"copy": "failed"}
    assert judge(listed, "small-pool", [DIRECT], [failed], complete=False).expected
    assert judge(listed, "plain", [DIRECT], [DIRECT], complete=False).expected
    assert not judge(listed, "plain", [DIRECT], [failed], complete=False).expected


def test_an_entry_may_differ_only_sometimes() -> None:
    listed = [entry("copy", sometimes=True)]
    failed = DIRECT | {"copy": "failed"}
    for proxied in (failed, DIRECT):
        assert judge(listed, "plain", [DIRECT], [proxied], complete=True).expected


def test_a_test_that_only_one_side_ran_differs() -> None:
    proxied = {name: "passed" for name in DIRECT if name != "copy"}
    verdict = judge([], "plain", [DIRECT | {"tls": "passed"}], [proxied], complete=True)
    assert verdict.unlisted == [
        Difference("copy", "passed", "missing"),
        Difference("old", "failed", "passed"),
    ]


@pytest.mark.parametrize("changing", ["direct", "proxied"])
def test_an_unstable_test_is_shown_and_not_judged(changing: str) -> None:
    runs = {"direct": [DIRECT, DIRECT], "proxied": [DIRECT, DIRECT]}
    runs[changing] = [DIRECT | {"copy": "failed"}, DIRECT]
    verdict = judge([entry("copy")], "plain", **runs, complete=True)
    assert verdict.unstable == ["copy"]
    assert verdict.expected
    assert verdict.equal == 3


def test_a_second_run_that_ended_early_is_not_expected() -> None:
    whole = {f"test{number}": "passed" for number in range(20)}
    part = dict(list(whole.items())[:10])
    verdict = judge([], "plain", [whole, whole], [whole, part], complete=True)
    assert len(verdict.unstable) == 10
    assert verdict.too_unstable
    assert not verdict.expected


def test_a_difference_of_both_runs_is_not_unstable() -> None:
    proxied = [DIRECT | {"copy": "failed"}, DIRECT | {"copy": "failed"}]
    verdict = judge([], "plain", [DIRECT, DIRECT], proxied, complete=True)
    assert [difference.test for difference in verdict.unlisted] == ["copy"]


def test_only_the_star_is_special_in_a_pattern() -> None:
    assert comparison.matches("test_x[*]", "test_x[1-a]")
    assert not comparison.matches("test_x[1]", "test_x1")
    assert not comparison.matches("really?", "really!")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[difference]]\nsuite = 's'", "missing 3 required"),
        ("[[differences]]", "unknown key differences"),
        (
            "[[difference]]\nsuite='s'\nrule='r'\ntests=[]\nnote='n'\nwhy='w'",
            "unknown key why",
        ),
        (
            "[[difference]]\nsuite='s'\nrule='r'\ntests=[]\nnote='n'\nmodes=['pool']",
            "unknown mode pool",
        ),
        ("[[", "Invalid"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "differences.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        comparison.read(path)


def test_the_list_names_suites_and_rules_of_the_behaviour_page() -> None:
    names = {suite.name for suite in suites.SUITES}
    behaviour = BEHAVIOUR.read_text()
    for listed in comparison.read():
        assert listed.suite in names
        assert listed.rule in behaviour, listed.rule
        assert listed.note.endswith("."), listed
        assert listed.tests


def test_a_test_is_listed_once() -> None:
    seen = [
        (listed.suite, test, mode, listed.direct, listed.proxied)
        for listed in comparison.read()
        for test in listed.tests
        for mode in listed.modes
    ]
    assert len(seen) == len(set(seen))
