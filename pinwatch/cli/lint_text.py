"""The findings of pinwatch lint as text and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pinwatch.cli.lint_findings import Linted
from pinwatch.cli.lint_verdict import MigrationVerdict, verdicts
from pinwatch.reports.known import KnownFindings
from pinwatch.reports.result import (
    DOCUMENT_VERSION,
    Level,
    Place,
    Problem,
    Report,
    Result,
)
from pinwatch.text import input_name, number_of, printable

GONE: Final = (
    "{} entries of the baseline match nothing any more: --update-baseline removes them."
)
GONE_ONE: Final = (
    "1 entry of the baseline matches nothing any more: --update-baseline removes it."
)
NOTHING_ELSE: Final = "Nothing else pins: {} allowed or in the baseline."
LEAKS: Final = "Functions and DO blocks leave state on the connection in {}."


class Found:
    """The findings in all files, compared with a baseline."""

    def __init__(self, linted: Linted, known: KnownFindings) -> None:
        results = known.marked(linted.results)
        self.report = Report("pinwatch lint", results, linted.problems)
        self.gone = known.gone(linted.results, linted.files)
        self.verdicts = list(verdicts(linted.migrations, results))

    @cached_property
    def shown(self) -> list[Result]:
        """The results without those that are allowed or known."""
        return [one for one in self.report.results if one.level is not Level.NOTE]


def document(found: Found) -> dict[str, Any]:
    """Return the JSON document."""
    return {
        "version": DOCUMENT_VERSION,
        "findings": [_finding(one) for one in found.shown],
        "migrations": [_migration(one) for one in found.verdicts],
        "problems": [_problem(one) for one in found.report.problems],
        "gone": [asdict(entry) for entry in found.gone],
    }


def _finding(one: Result) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "level": str(one.level),
        "contested": bool(one.contested),
        "file": one.place.file if one.place else "",
        "line": one.place.line if one.place else 0,
        "column": one.place.column if one.place else 0,
        "statement": one.statement,
        "digest": one.digest,
        "reason": one.reason,
        "advice": one.advice,
    }


def _migration(one: MigrationVerdict) -> dict[str, Any]:
    return {
        "file": one.migration.file,
        "tool": one.migration.tool.name,
        "through_proxy": one.through_proxy,
        "verdict": one.sentence,
    }


def _problem(one: Problem) -> dict[str, Any]:
    return {
        "text": one.text,
        "file": one.place.file if one.place else "",
        "line": one.place.line if one.place else 0,
        "statement": one.statement,
    }


def lines(found: Found) -> Iterator[tuple[str, str]]:
    """Yield the lines of the text, each with its style for rich."""
    for one in found.shown:
        contested = ", contested" if one.contested else ""
        yield f"{_where(one.place)}{one.rule}{contested}", "bold red"
        yield f"  {printable(one.statement)[:200]}", ""
        if one.left:
            yield f"  {printable(one.left)}", ""
        yield f"  Fix: {one.advice}", ""
    yield from _problems(found.report.problems)
    yield from _verdicts(found.verdicts)
    if found.gone:
        count = len(found.gone)
        yield GONE_ONE if count == 1 else GONE.format(count), "yellow"
    yield from _sum(found)


def updated(linted: Linted, file: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines after a baseline was written."""
    yield from _problems(linted.problems)
    yield f"Baseline written: {file}", ""


def _problems(problems: Sequence[Problem]) -> Iterator[tuple[str, str]]:
    for problem in problems:
        yield f"{_where(problem.place)}{problem.text}", "yellow"


def _verdicts(verdicts: Sequence[MigrationVerdict]) -> Iterator[tuple[str, str]]:
    """Yield a line for each verdict, with the first of the migrations that have it."""
    files: dict[str, list[str]] = {}
    for one in verdicts:
        files.setdefault(one.sentence, []).append(input_name(one.migration.file))
    for sentence, (first, *others) in files.items():
        more = f" and {len(others)} more" if others else ""
        yield f"{first}{more}: {sentence}", "bold"


def _sum(found: Found) -> Iterator[tuple[str, str]]:
    pins = [one for one in found.shown if one.pins]
    files = {one.place.file for one in pins if one.place}
    if files:
        count = number_of(len(pins), "statement")
        yield f"{count} in {number_of(len(files), 'file')} would pin.", "bold"
    elif not found.report.problems:
        allowed = sum(one.pins for one in found.report.results)
        known = "1 pin is" if allowed == 1 else f"{allowed} pins are"
        yield NOTHING_ELSE.format(known) if allowed else "Nothing pins.", "green"
    leaks = len(found.shown) - len(pins)
    if leaks:
        yield LEAKS.format(number_of(leaks, "place")), "bold"


def _where(place: Place | None) -> str:
    """Return file and line; the line alone on standard input."""
    if place is None:
        return ""
    if not (place.file or place.line):
        return f"{input_name(place.file)}: "
    return f"{place}: " if place.file else f"line {place.line}: "
