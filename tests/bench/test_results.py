"""A run's readings: summed up, kept, held to the goals, and shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import results, tables
from bench.goals import outcomes
from bench.install import follows_prepared_statements
from bench.metrics import Reading
from bench.results import FAILED, Run


def a_run(**readings: list[Reading]) -> Run:
    """Subjects' readings of the case simple-10."""
    run = Run(
        started="2025-01-02T03:04:05+00:00",
        commit="abc1234",
        machine={"cores": "2"},
        versions={name: "1" for name in readings},
        options={"rounds": 2, "seconds": 4},
        cases=["simple-10"],
    )
    for subject, of_rounds in readings.items():
        for reading in of_rounds:
            run.add("simple-10", subject, reading)
    return run


def test_a_ratio_is_taken_round_by_round() -> None:
    run = a_run(
        pgbouncer=[{"tps": 100}, {"tps": 50}, {"tps": 200}],
        pinwatch=[{"tps": 120}, {"tps": 60}, {"tps": 100}],
    )
    summary = run.summary("simple-10", "pinwatch", "tps")
    assert summary is not None
    assert (summary.median, summary.ratio) == (100, 1.2)
    assert summary.spread == pytest.approx(0.3)


def test_a_round_that_failed_leaves_the_others_paired() -> None:
    run = a_run(
        pgbouncer=[{"tps": 100}, {"tps": 50}],
        pinwatch=[{}, {"tps": 100}],
    )
    summary = run.summary("simple-10", "pinwatch", "tps")
    assert summary is not None
    assert (summary.ratio, summary.spread) == (2.0, None)


def test_without_the_yardstick_there_is_no_ratio() -> None:
    summary = a_run(pinwatch=[{"tps": 1}]).summary("simple-10", "pinwatch", "tps")
    assert summary is not None
    assert summary.ratio is None


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = a_run(pgbouncer=[{"tps": 1.5}], pinwatch=[{"tps": 2.0}])
    run.excuse("simple-10", "direct", "a reason")
    path = run.write(tmp_path / "results")
    assert results.read(path) == run


def test_the_previous_run_is_the_newest_earlier_one_of_the_same_cases(
    tmp_path: Path,
) -> None:
    now = a_run(pinwatch=[{"tps": 1}])
    assert results.previous(now, tmp_path) is None
    of_others = replace(now, started="2025-01-02T01:00:00+00:00", cases=["copy-in"])
    first = replace(now, started="2024-01-01T00:00:00+00:00")
    second = replace(now, started="2024-01-02T00:00:00+00:00")
    for run in (of_others, second, first, now):
        run.write(tmp_path)
    assert results.previous(now, tmp_path) == second


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match=r"other\.json is not"):
        results.read(path)


def test_goals_are_met_or_missed_by_ratio() -> None:
    run = a_run(
        pgbouncer=[{"tps": 100, "cpu_us_per_transaction": 20.0}],
        pinwatch=[{"tps": 100, "cpu_us_per_transaction": 21.0}],
        compiled=[{"tps": 99, "cpu_us_per_transaction": 20.0}],
    )
    assert {(each.subject, each.goal.metric): each.met for each in outcomes(run)} == {
        ("pinwatch", "tps"): True,
        ("pinwatch", "cpu_us_per_transaction"): False,
        ("compiled", "tps"): False,
        ("compiled", "cpu_us_per_transaction"): True,
    }


def test_the_table_shows_medians_ratios_and_reasons() -> None:
    run = a_run(
        pgbouncer=[{"tps": 1000, "p99_ms": 2.0}],
        pinwatch=[{"tps": 1100, "p99_ms": 3.0}],
        direct=[],
    )
    run.excuse("simple-10", "direct", "cannot")
    text = tables.markdown(next(tables.tables(run)))
    assert "| simple-10 | pgbouncer | 1,000 /s |" in text
    assert "| 1,100 /s x1.10 |" in text
    assert "| 3.00 x1.50 |" in text
    assert "| direct | cannot |" in text


def test_what_failed_is_quoted_below_the_table() -> None:
    run = a_run(pinwatch=[{}])
    run.excuse("simple-10", "pinwatch", f"{FAILED}it ended")
    main, failures, *_ = (tables.markdown(table) for table in tables.tables(run))
    assert "| pinwatch | failed |" in main
    assert "it ended" in failures


def test_a_change_within_the_spread_is_put_in_brackets() -> None:
    before = a_run(pinwatch=[{"tps": 90, "p99_ms": 1.0}, {"tps": 110, "p99_ms": 1.0}])
    after = a_run(pinwatch=[{"tps": 105, "p99_ms": 1.5}, {"tps": 105, "p99_ms": 1.5}])
    assert tables.change(before, after).rows == [
        ("simple-10", "pinwatch", "(+5%)", "", "", "+50%", "", "")
    ]


@pytest.mark.parametrize(
    ("version", "follows"), [("1.18.0", False), ("1.21.0", True), ("1.25.2", True)]
)
def test_pgbouncer_follows_prepared_statements_since_1_21(
    version: str, follows: bool
) -> None:
    assert follows_prepared_statements(version) is follows
