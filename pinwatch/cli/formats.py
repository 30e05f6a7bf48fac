"""The formats, the exit statuses and the option --contested of commands that find pins.

Owns their meaning, which is the same for every such command; docs/reports.md describes
it. Does not know how a command finds pins, nor its text and JSON.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.reports.result import Level, Report

NOTHING: Final = 0
FOUND: Final = 1
MISUSE: Final = 2
"""The exit statuses: nothing found; findings; misuse, or input that could not be read
or judged. The highest that applies is the command's."""


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


class Contested(StrEnum):
    """The weight of contested findings: shown only, or counted like all others."""

    REPORT = "report"
    FAIL = "fail"


class Leaks(StrEnum):
    """The weight of functions that leave state when they are called."""

    REPORT = "report"
    FAIL = "fail"


FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="Text for people; JSON; SARIF for code scanning; annotations of GitHub "
        "Actions; JUnit for CI systems.",
    ),
]
ContestedOption = Annotated[
    Contested,
    typer.Option(
        "--contested",
        help="Show contested findings, or count them like all others: they are those "
        "on which AWS's pages and users disagree.",
    ),
]

LeaksOption = Annotated[
    Leaks,
    typer.Option(
        "--leaks",
        help="Show functions that leave state on the connection when they are called, "
        "or count them like pins. DO blocks that leave state always count.",
    ),
]


def level(is_contested: bool, contested: Contested) -> Level:
    """Return the weight of a finding; a contested one may be shown only."""
    from pinwatch.reports.result import Level

    shown = is_contested and contested is Contested.REPORT
    return Level.WARNING if shown else Level.ERROR


def status(report: Report) -> int:
    """Return the exit status of a command with this report."""
    if report.problems:
        return MISUSE
    return FOUND if report.fails else NOTHING


def rendered(report: Report, format: Format) -> str:
    """Return the report as SARIF, annotations or JUnit, without a last newline."""
    from pinwatch.reports.github import annotations, problem_annotation
    from pinwatch.reports.junit import junit
    from pinwatch.reports.sarif import sarif

    match format:
        case Format.SARIF:
            return json.dumps(sarif(report.results, report.problems), indent=2)
        case Format.GITHUB:
            chosen = os.environ | {"GITHUB_ACTIONS": "true"}
            lines = annotations(report.results, chosen)
            problems = (
                problem_annotation(report.command, one) for one in report.problems
            )
            return "\n".join([*lines, *problems])
        case Format.JUNIT:
            return junit(report)
        case _:
            raise ValueError(f"{format} is the command's own")
