"""Results as JUnit's XML, which CI systems show as tests."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from pinwatch.reports.junit import junit
from pinwatch.reports.result import Level, Problem, Report
from tests.reports.results import LEAK, PLACE, RESULT


def suite(report: Report) -> ElementTree.Element:
    (found,) = ElementTree.fromstring(junit(report))
    return found


def test_each_result_is_a_case() -> None:
    contested = replace(
        RESULT, level=Level.WARNING, contested="Some say so.", places=()
    )
    known = replace(RESULT, level=Level.NOTE, suppression="external")
    results = [replace(RESULT, places=(PLACE,)), contested, known]
    found = suite(Report("pinwatch check", results))
    assert found.attrib == {
        "name": "pinwatch check",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    failing, passing, skipped = found
    assert failing.attrib == {
        "classname": "set",
        "name": "SET a.b = 1",
        "file": "app/db.py",
        "line": "3",
    }
    (failure,) = failing
    assert failure.attrib == {"type": "set", "message": "SQL changed it."}
    assert failure.text == "app/db.py:3 in pay\nSET a.b = 1\nFix: Do not."
    (output,) = passing
    assert (output.tag, output.text) == (
        "system-out",
        "SET a.b = 1\nContested: Some say so.\nFix: Do not.",
    )
    assert [(one.tag, one.attrib) for one in skipped] == [
        ("skipped", {"message": "known"})
    ]


def test_a_problem_is_an_error() -> None:
    problem = Problem("This could not be judged.", "selec 1", PLACE)
    found = suite(Report("pinwatch explain", [], [problem]))
    (case,) = found
    assert (found.attrib["errors"], case.attrib["name"]) == ("1", "selec 1")
    (error,) = case
    assert (error.tag, error.attrib) == (
        "error",
        {"type": "unreadable", "message": "This could not be judged."},
    )


def test_without_results_one_case_passes() -> None:
    (case,) = suite(Report("pinwatch explain", []))
    assert (case.attrib, list(case)) == (
        {"classname": "pinwatch explain", "name": "Nothing pins"},
        [],
    )


def test_text_that_xml_cannot_hold() -> None:
    (case,) = suite(Report("x", [replace(RESULT, statement="SET a = '\x1b\ud800<&'")]))
    assert case.attrib["name"] == "SET a = '  <&'"


def test_a_leak_has_what_stayed() -> None:
    leaks = [LEAK, replace(LEAK, level=Level.ERROR)]
    passes, fails = suite(Report("pinwatch check", leaks)).iter("testcase")
    text = "\n".join((LEAK.statement, LEAK.reason, f"Fix: {LEAK.advice}"))
    assert passes.findtext("system-out") == fails.findtext("failure") == text
    assert passes.attrib["classname"] == "hidden_state"
