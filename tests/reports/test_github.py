"""Annotations of GitHub Actions, and the step summary for results without a file."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from pinwatch.reports.github import annotations
from pinwatch.reports.result import Level, Place, Result
from tests.reports.results import LEAK
from tests.reports.results import RESULT as EXAMPLE

RESULT: Final = replace(EXAMPLE, test="test_one")


def with_file(result: Result = RESULT) -> Result:
    return replace(result, places=(Place("app/db.py", 3),))


def test_without_a_file_they_are_grouped_in_the_step_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("Before\n")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    other = replace(RESULT, rule="listen", statement="LISTEN a", digest="listen a")
    results = [
        with_file(),
        RESULT,
        replace(RESULT, statement="SET a.b = 2", test="test_two"),
        replace(other, level=Level.WARNING, contested="Some say so."),
        replace(RESULT, level=Level.NOTE, digest="allowed"),
    ]
    lines = list(annotations(results, environment))
    assert lines[0].startswith("::error title=RDS Proxy pins%3A set,file=")
    assert lines[1:] == [
        "::error title=RDS Proxy::3 pins without a file are in the step summary."
    ]
    assert summary.read_text().splitlines() == [
        "Before",
        "",
        "### RDS Proxy: 3 pins without a file",
        "",
        "| Count | Rule | Statement | Fix | Tests |",
        "|---:|---|---|---|---|",
        "| 2 | set | <code>SET a.b = 1</code> | Do not. | test&#95;one, test&#95;two |",
        "| 1 | listen, contested | <code>LISTEN a</code> | Do not. | test&#95;one |",
    ]


def test_leaks_say_what_stayed(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    beside, announced = annotations([with_file(LEAK), LEAK, RESULT], environment)
    assert beside.startswith("::warning title=Not seen by RDS Proxy%3A hidden_state,")
    text = f"::{LEAK.statement}%0A{LEAK.reason}%0AFix: {LEAK.advice}%0AMore: "
    assert text in beside
    assert announced == (
        "::error title=RDS Proxy::1 pin and 1 leak without a file are in the step "
        "summary."
    )
    text = summary.read_text()
    assert "### RDS Proxy: 1 pin and 1 leak without a file" in text
    assert "leaves the setting app.tenant = '42'. SET LOCAL ends" in text


def test_a_step_summary_shows_text_as_it_is(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    hostile = replace(RESULT, statement="SET a = '|`<b>'\n| x", advice="*a* [b](c) | d")
    assert len(list(annotations([hostile], environment))) == 1
    row = summary.read_text().splitlines()[-1]
    assert row == (
        "| 1 | set | <code>SET a = '&#124;&#96;&lt;b&gt;' &#124; x</code> | "
        "&#42;a&#42; &#91;b&#93;(c) &#124; d | test&#95;one |"
    )


def test_a_warning_alone_is_announced_as_one(tmp_path: Path) -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    (line,) = annotations([replace(RESULT, level=Level.WARNING)], environment)
    assert line == (
        "::warning title=RDS Proxy::1 pin without a file is in the step summary."
    )


def test_many_tests_of_a_pin_are_counted(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    results = [replace(RESULT, test=f"t{number}") for number in range(9)]
    assert len(list(annotations(results, environment))) == 1
    assert summary.read_text().endswith("| t0, t1, t2 and 6 more |\n")


def test_a_step_summary_has_less_than_github_accepts(tmp_path: Path) -> None:
    """It drops a summary above 1 MiB as a whole."""
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    long = f"SET a.b = '{'|' * 20_000}'"
    results = [
        replace(RESULT, statement=long, digest=f"set {'a' * n}") for n in range(200)
    ]
    assert len(list(annotations(results, environment))) == 1
    text = summary.read_text()
    assert len(text) < 1_048_576
    assert text.count("<code>SET a.b") == text.count("...</code>") == 100
    assert text.endswith("|\n\n... and 100 more statements.\n")


def test_a_summary_that_cannot_be_written_hides_no_pin(tmp_path: Path) -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "summary.md"),
    }
    (line,) = annotations([RESULT], environment)
    assert line.startswith("::error title=RDS Proxy pins%3A set::SET a.b = 1%0AFix: ")


def test_with_files_there_is_no_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    assert len(list(annotations([with_file()], environment))) == 1
    assert not summary.exists()


def test_they_are_for_github_only(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    assert not list(annotations([RESULT], {"GITHUB_STEP_SUMMARY": str(summary)}))
    assert not summary.exists()
