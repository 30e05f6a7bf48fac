"""pinwatch report: what pins in production, from its logs and statistics.

Owns how the ranking is shown. Reads files only, and writes nothing but its output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pinwatch.errors import SettingError
from pinwatch.text import duration, escaped, number_of, printable

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.production.ranking import Ranking, Row, Suspect

FOUND: Final = 1
MISUSE: Final = 2
VERSION: Final = 1
MOST: Final = 20  # rows without --all
STANDARD_INPUT: Final = "-"


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def report(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Logs of RDS Proxy or PostgreSQL, or pg_stat_statements; - for "
            "standard input.",
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="Text for people, or JSON for programs.")
    ] = Format.TEXT,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Show all rows, not {MOST}.")
    ] = False,
) -> None:
    """Rank what pins in production, by its logs and statistics.

    Each file is recognised by its content, also if it is packed by gzip: RDS Proxy's
    log as text, JSON of aws logs filter-log-events or get-query-results, CSV of Logs
    Insights, or an export to S3; pinwatch's own log and event log; pg_stat_statements
    as CSV or JSON lines; PostgreSQL's log as stderr, csvlog or jsonlog. A pin that
    several files have is counted once.

    The exit status is 0 if nothing pins, 1 if something does, and 2 on misuse, or if a
    file could not be read to its end.

    [bold]Examples[/bold]

    $ aws logs filter-log-events --log-group-name /aws/rds/proxy/app
    --filter-pattern '"session"' > log.json; pinwatch report log.json

    $ pinwatch report export/*.gz statements.csv

    $ zcat proxy.log.gz | pinwatch report --format json -
    """
    from pinwatch.production.ranking import Ranking

    if not files:
        raise SettingError("Give the name of a file, or - for standard input.")
    ranking = Ranking()
    problems = _read(ranking, files)
    rows, suspects = ranking.rows(), ranking.suspects()
    if format is Format.JSON:
        print(json.dumps(_document(ranking, rows, suspects, problems)))
    else:
        _print(ranking, rows, suspects, None if everything else MOST)
    for problem in problems:
        print(f"pinwatch: {escaped(problem)}", file=sys.stderr)
    raise typer.Exit(MISUSE if problems else FOUND if rows else 0)


def _read(ranking: Ranking, files: list[str]) -> list[str]:
    """Add the records of all files; return a sentence for each that has a fault."""
    from pinwatch.production.files import InputError
    from pinwatch.production.formats import oldest_first, read_file

    problems: list[str] = []
    with _progress(files) as progress:
        for name in oldest_first(files):
            try:
                ranking.add_all(read_file(name, progress))
            except InputError as error:
                problems.append(str(error))
    return problems


@contextmanager
def _progress(files: list[str]) -> Iterator[Callable[[int], None]]:
    """Yield a function that receives the bytes read; show a bar on a terminal."""
    if not sys.stderr.isatty() or STANDARD_INPUT in files:
        yield lambda size: None
        return

    from rich.console import Console
    from rich.progress import Progress

    total = sum(os.path.getsize(name) for name in files if os.path.isfile(name))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=total)
        yield lambda size: bar.advance(task, size)


# JSON, for programs.


def _document(
    ranking: Ranking, rows: list[Row], suspects: list[Suspect], problems: list[str]
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "first": _time(ranking.first),
        "last": _time(ranking.last),
        "repeated": ranking.repeated,
        "pins": [_row(row) for row in rows],
        "suspects": [
            {"digest": one.digest, "bytes": one.size, "calls": one.calls}
            for one in suspects
        ],
        "problems": problems,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "rule": row.cause.rule,
        "digest": row.digest,
        "contested": row.cause.contested,
        "driver": row.cause.driver,
        "count": row.count,
        "ahead": row.ahead,
        "calls": row.calls,
        "first": _time(row.first),
        "last": _time(row.last),
        "clients": row.clients,
        "hosts": sorted(row.hosts),
        "applications": sorted(row.applications),
        "pinned_seconds": row.seconds,
        "still_pinned": row.lasting,
        "fix": row.cause.fix,
    }


def _time(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Text, for people.


def _print(
    ranking: Ranking, rows: list[Row], suspects: list[Suspect], most: int | None
) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line, style in _lines(ranking, rows, suspects, most):
        console.print(line, style=style, markup=False)


def _lines(
    ranking: Ranking, rows: list[Row], suspects: list[Suspect], most: int | None
) -> Iterator[tuple[str, str]]:
    yield _summary(ranking, rows), "bold" if rows else "green"
    for number, row in enumerate(rows[:most], 1):
        yield "", ""
        yield from _row_lines(number, row)
    if most is not None and len(rows) > most:
        yield "", ""
        yield f"{number_of(len(rows) - most, 'row')} more: --all shows them.", "dim"
    if suspects and any(row.cause.rule == "statement_size" for row in rows):
        yield "", ""
        yield "Statements that may exceed 16,384 bytes when they are sent:", "bold"
        for one in suspects[:most]:
            calls = number_of(one.calls, "call")
            yield f"  {one.size:,} bytes, {calls}: {_cut(one.digest)}", ""


def _summary(ranking: Ranking, rows: list[Row]) -> str:
    if not rows:
        return "Nothing pins."
    pins = sum(row.count for row in rows)
    seconds = sum(row.seconds for row in rows)
    parts = [number_of(pins, "pin")]
    if seconds:
        parts.append(f"{duration(seconds)} pinned")
    if ranking.first and ranking.last:
        parts.append(f"{_minute(ranking.first)} to {_minute(ranking.last)} UTC")
    if ranking.repeated:
        parts.append(f"{number_of(ranking.repeated, 'repeated line')} left out")
    return ", ".join(parts) + "."


def _row_lines(number: int, row: Row) -> Iterator[tuple[str, str]]:
    contested = ", contested" if row.cause.contested else ""
    yield f"{number}. {row.cause.rule}{contested}: {_figures(row)}", "bold red"
    if row.digest:
        yield f"  {_cut(row.digest)}", ""
    if row.first and row.last:
        yield f"  First {_minute(row.first)}, last {_minute(row.last)} UTC.", ""
    by = f" ({row.cause.driver})" if row.cause.driver else ""
    if row.cause.fix:
        yield f"  Fix{by}: {row.cause.fix}", ""


def _figures(row: Row) -> str:
    parts: list[str] = []
    if row.count:
        parts.append(number_of(row.count, "pin"))
    if row.seconds:
        parts.append(f"{duration(row.seconds)} pinned")
    if row.lasting:
        parts.append(f"{row.lasting} not ended")
    if row.hosts:
        parts.append(f"from {number_of(len(row.hosts), 'host')}")
    if row.ahead:
        parts.append(f"{number_of(row.ahead, 'warning')} of prepared statements")
    if row.calls:
        parts.append(f"{number_of(row.calls, 'call')} in the database")
    return ", ".join(parts)


def _cut(text: str, most: int = 200) -> str:
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
