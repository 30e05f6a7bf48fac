"""SARIF of what a command read, beside that of tests."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema

from pinwatch.pins.advice import plain
from pinwatch.pins.rule_pages import page, source, summary
from pinwatch.pins.rules import CODES
from pinwatch.reports import hidden_state
from pinwatch.reports.result import Problem
from pinwatch.reports.sarif import sarif
from tests.reports.results import LEAK, PLACE, RESULT


def run_of(*arguments: Any) -> dict[str, Any]:
    """Return the only run, validated by models of the schema of SARIF 2.1.0."""
    report = sarif(*arguments)
    StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(report)
    (run,) = report["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("rule", CODES)
def test_each_rule_has_its_page_as_help(rule: str) -> None:
    (described,) = run_of([replace(RESULT, rule=rule)])["tool"]["driver"]["rules"]
    assert described["fullDescription"]["text"].startswith(plain(summary(rule)))
    assert described["help"]["markdown"] == page(rule)
    assert described["help"]["text"].endswith(f"More: pinwatch explain --rule {rule}")
    assert "`" not in described["help"]["text"]
    assert described["helpUri"] == source(rule)


def test_hidden_state_has_its_page_as_help() -> None:
    run = run_of([RESULT, LEAK])
    hidden, _ = run["tool"]["driver"]["rules"]
    assert hidden["id"] == "hidden_state"
    assert "pins" not in hidden["shortDescription"]["text"]
    assert hidden["help"]["markdown"] == hidden_state.PAGE
    assert hidden["help"]["text"].endswith("pinwatch explain --rule hidden_state")
    message = run["results"][1]["message"]["text"]
    assert message == f"{LEAK.reason} Fix: {LEAK.advice}"


def test_a_rule_of_another_version_has_no_help() -> None:
    (described,) = run_of([replace(RESULT, rule="new")])["tool"]["driver"]["rules"]
    assert described["id"] == "new"
    assert "help" not in described


def test_a_place_has_its_columns() -> None:
    run = run_of([replace(RESULT, places=(PLACE,))])
    ((location,),) = (result["locations"] for result in run["results"])
    assert location["physicalLocation"]["region"] == {
        "startLine": 3,
        "startColumn": 1,
        "endColumn": 4,
    }
    assert "stacks" not in run["results"][0]


def test_a_result_without_a_place() -> None:
    (result,) = run_of([RESULT])["results"]
    assert result["locations"] == []


def test_a_result_that_was_seen_several_times() -> None:
    (result,) = run_of([replace(RESULT, count=3)])["results"]
    assert result["occurrenceCount"] == 3


def test_a_problem_is_a_notification() -> None:
    assert "invocations" not in run_of([RESULT])
    (invocation,) = run_of([], [Problem("Not judged.", "selec 1", PLACE)])[
        "invocations"
    ]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert (notification["level"], notification["message"]) == (
        "error",
        {"text": "Not judged. SQL: selec 1"},
    )
    (location,) = notification["locations"]
    assert location["physicalLocation"]["region"]["startLine"] == 3
