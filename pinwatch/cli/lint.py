"""pinwatch lint: what pins in the SQL files, migrations and Python source of a folder.

Owns the options, and how the findings of all files are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pinwatch.cli.formats import (
    Contested,
    ContestedOption,
    Format,
    FormatOption,
    rendered,
    status,
)
from pinwatch.cli.terminal import print_lines
from pinwatch.errors import SettingError
from pinwatch.text import number_of, printable

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.reports.result import Place, Report


def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Folders, and files of SQL or Python; - for SQL on standard input.",
        ),
    ] = None,
    format: FormatOption = Format.TEXT,
    contested: ContestedOption = Contested.REPORT,
) -> None:
    """Find what pins in SQL files, migrations and Python source.

    In a folder, files ending in .sql, .psql, .ddl and .py are read. Each statement is
    judged alone, as migration tools send it: psql's commands and the rows of a COPY are
    skipped, and placeholders of Flyway, sqlc and Jinja are taken for names. In Python,
    the strings are read that are passed to execute, fetch, text, SQL or RunSQL.

    A comment -- pinwatch: allow set, on a line of the statement or just before it,
    allows a pin by the rule set.

    The exit status is 0 if nothing pins, 1 if something does, and 2 on misuse, or if a
    file or a statement could not be read. Contested findings count only with
    --contested fail.

    [bold]Examples[/bold]

    $ pinwatch lint migrations src

    $ alembic upgrade head --sql | pinwatch lint -

    $ pinwatch lint --format github .
    """
    if not paths:
        raise SettingError("Give a folder, a file, or - for standard input.")
    found = _linted(paths, contested)
    if format is Format.JSON:
        print(json.dumps(_document(found)))
    elif format is Format.TEXT:
        print_lines(_lines(found))
    else:
        print(rendered(found, format))
    raise typer.Exit(status(found))


def _linted(paths: list[str], contested: Contested) -> Report:
    """Return the findings in all files, and what could not be read or judged."""
    from pinwatch.cli.lint_findings import findings
    from pinwatch.lint.sources import SourceError, files, read_file
    from pinwatch.reports.result import Problem, Report

    results, problems = [], []
    for name in files(paths):
        try:
            source = read_file(name)
        except SourceError as error:
            problems.append(Problem(str(error)))
            continue
        for found in findings(source, contested):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                results.append(found)
    return Report("pinwatch lint", results, problems)


def _document(found: Report) -> dict[str, Any]:
    from pinwatch.reports.result import DOCUMENT_VERSION

    return {
        "version": DOCUMENT_VERSION,
        "findings": [
            {
                "rule": one.rule,
                "contested": bool(one.contested),
                "file": one.place.file if one.place else "",
                "line": one.place.line if one.place else 0,
                "column": one.place.column if one.place else 0,
                "statement": one.statement,
                "digest": one.digest,
                "reason": one.reason,
                "advice": one.advice,
            }
            for one in found.results
        ],
        "problems": [
            {
                "text": one.text,
                "file": one.place.file if one.place else "",
                "line": one.place.line if one.place else 0,
                "statement": one.statement,
            }
            for one in found.problems
        ],
    }


def _lines(found: Report) -> Iterator[tuple[str, str]]:
    for one in found.results:
        contested = ", contested" if one.contested else ""
        yield f"{_where(one.place)}{one.rule}{contested}", "bold red"
        yield f"  {printable(one.statement)[:200]}", ""
        yield f"  Fix: {one.advice}", ""
    for problem in found.problems:
        yield f"{_where(problem.place)}{problem.text}", "yellow"
    files = {one.place.file for one in found.results if one.place}
    if files:
        pins = number_of(len(found.results), "statement")
        yield f"{pins} in {number_of(len(files), 'file')} would pin.", "bold"
    elif not found.problems:
        yield "Nothing pins.", "green"


def _where(place: Place | None) -> str:
    """Return file and line; the line alone on standard input."""
    if place is None:
        return ""
    return f"{place}: " if place.file else f"line {place.line}: "
