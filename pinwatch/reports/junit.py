"""Results as JUnit's XML, which CI systems show as tests.

A result that counts is a failure, a contested one passes with output, and one that is
known is skipped. Input that could not be judged is an error.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from pinwatch.reports.result import Level, Place, Problem, Report, Result
from pinwatch.text import printable


def junit(report: Report) -> str:
    """Return the document; a report of nothing has one case, which passes."""
    suites = ElementTree.Element("testsuites")
    cases = [
        *map(_result_case, report.results),
        *map(_problem_case, report.problems),
    ] or [_case(report.command, "Nothing pins")]
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=report.command,
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
    )
    suite.extend(cases)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, "unicode", xml_declaration=True)


def _count(cases: Iterable[ElementTree.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _result_case(result: Result) -> ElementTree.Element:
    case = _case(result.rule, result.statement, result.place)
    if result.level is Level.ERROR:
        failure = ElementTree.SubElement(
            case, "failure", type=result.rule, message=printable(result.reason)
        )
        failure.text = _text(result)
    elif result.level is Level.WARNING:
        ElementTree.SubElement(case, "system-out").text = _text(result)
    else:
        ElementTree.SubElement(case, "skipped", message="known")
    return case


def _problem_case(problem: Problem) -> ElementTree.Element:
    case = _case("input", problem.statement or problem.text, problem.place)
    message = printable(problem.text)
    ElementTree.SubElement(case, "error", type="unreadable", message=message)
    return case


def _case(group: str, name: str, place: Place | None = None) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=group, name=printable(name))
    if place is not None and place.file:
        case.set("file", printable(place.file))
        if place.line:
            case.set("line", str(place.line))
    return case


def _text(result: Result) -> str:
    lines = [
        str(result.place or ""),
        result.statement,
        result.left,
        result.contested and f"Contested: {result.contested}",
        f"Fix: {result.advice}",
        result.test and f"Test: {result.test}",
    ]
    return "\n".join(printable(line) for line in lines if line)
