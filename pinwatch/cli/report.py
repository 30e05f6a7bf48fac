"""pinwatch report: what pins in production, from its logs and statistics.

Owns the options, and which files are read. Writes nothing but its output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.cli.formats import (
    MISUSE,
    NOTHING,
    Contested,
    ContestedOption,
    Format,
    rendered,
    status,
)
from pinwatch.cli.http_side import HttpSide, Token
from pinwatch.cli.report_snippets import (
    AlarmOption,
    InitQueryOption,
    ProxyNameOption,
    print_alarm,
    print_init_query,
)
from pinwatch.cli.terminal import print_lines, progress
from pinwatch.errors import SettingError
from pinwatch.text import STANDARD_INPUT, escaped

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.cli.report_text import Found
    from pinwatch.production.ranking import Ranking
    from pinwatch.reports.result import Report

NOTHING_TO_READ: Final = (
    "Give the name of a file, - for standard input, --url or --database."
)
NO_EFFECT: Final = "{} prints only code: it takes no {}."
NO_CODE: Final = "--proxy-name needs --init-query or --alarm."
OF_ALARM: Final = ("alarm", "proxy_name")
OF_INIT_QUERY: Final = (
    "files",
    "url",
    "token",
    "database",
    "init_query",
    "proxy_name",
)
"""The parameters that have an effect with --alarm and with --init-query."""


class Ranked(StrEnum):
    """The formats of all commands, and those for a report to people."""

    TEXT = Format.TEXT
    JSON = Format.JSON
    SARIF = Format.SARIF
    GITHUB = Format.GITHUB
    JUNIT = Format.JUNIT
    HTML = "html"
    MARKDOWN = "markdown"


def report(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Logs of RDS Proxy or PostgreSQL, or pg_stat_statements; - for "
            "standard input.",
        ),
    ] = None,
    format: Annotated[
        Ranked,
        typer.Option(
            help="Text; JSON; SARIF, GitHub annotations or JUnit, as in the other "
            "commands; HTML in one file; Markdown."
        ),
    ] = Ranked.TEXT,
    contested: ContestedOption = Contested.REPORT,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all rows of the text, not 20.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Also read the running pinwatch at URL."),
    ] = None,
    token: Token = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Also read pg_stat_statements of the database at URL."
        ),
    ] = None,
    write_watchlist: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the digests to FILE, for pytest --pinwatch-watchlist.",
        ),
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="max_connections of the database. The report then says which "
            "MaxConnectionsPercent the pinned sessions need.",
        ),
    ] = None,
    init_query: InitQueryOption = None,
    alarm: AlarmOption = None,
    proxy_name: ProxyNameOption = "",
) -> None:
    """Rank what pins in production, by its logs and statistics.

    Each file is recognised by its content, also if it is packed by gzip: RDS Proxy's
    log as text, JSON of aws logs filter-log-events or get-query-results, CSV of Logs
    Insights, or an export to S3; pinwatch's own log and event log; pg_stat_statements
    as CSV or JSON lines; PostgreSQL's log as stderr, csvlog or jsonlog. A pin that
    several files have is counted once.

    The exit status is 0 if nothing pins for certain, 1 if something does, and 2 on
    misuse, or if a file could not be read to its end.

    [bold]Examples[/bold]

    $ aws logs filter-log-events --log-group-name /aws/rds/proxy/app
    --filter-pattern '"client"' > log.json; pinwatch report log.json

    $ pinwatch report export/*.gz statements.csv

    $ zcat proxy.log.gz | pinwatch report --format json -

    $ pinwatch report --init-query terraform postgresql.log.2026-11-30-10

    $ pinwatch report --url http://localhost:9632

    $ pinwatch report log.json --write-watchlist watch.json
    """
    from pinwatch.cli import report_text
    from pinwatch.production.ranking import Ranking

    if alarm is not None:
        _refuse_others(context, "--alarm", OF_ALARM)
        print_alarm(alarm, proxy_name)
        return
    if init_query is not None:
        _refuse_others(context, "--init-query", OF_INIT_QUERY)
    elif proxy_name:
        raise SettingError(NO_CODE)
    if not files and url is None and database is None:
        raise SettingError(NOTHING_TO_READ)
    ranking = Ranking()
    problems = _read(ranking, files or [])
    if url is not None or database is not None:
        from pinwatch.cli.report_sources import read_live

        side = HttpSide(url, token) if url is not None else None
        problems += read_live(ranking, side, database)
    if init_query is not None:
        _print_problems(problems)
        print_init_query(ranking.settings.init_query(), init_query, proxy_name)
        raise typer.Exit(MISUSE if problems else NOTHING)
    found = report_text.Found(
        ranking, ranking.rows(), ranking.suspects(), problems, max_connections
    )
    judged = report_text.report(found, contested)
    _show(found, judged, format, everything)
    _print_problems(problems)
    if write_watchlist is not None:
        _write(write_watchlist, found)
    raise typer.Exit(status(judged))


def _refuse_others(
    context: typer.Context, option: str, allowed: Collection[str]
) -> None:
    """Raise SettingError if the command line has parameters without an effect."""
    others = []
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source and source.name == "COMMANDLINE" and name not in allowed:
            spelled = parameter.opts[0]
            others.append(spelled if spelled.startswith("-") else "FILE")
    if others:
        raise SettingError(NO_EFFECT.format(option, ", no ".join(others)))


def _print_problems(problems: list[str]) -> None:
    for problem in problems:
        print(f"pinwatch: {escaped(problem)}", file=sys.stderr)


def _read(ranking: Ranking, files: list[str]) -> list[str]:
    """Add the records of all files; return a sentence for each that has a fault."""
    from pinwatch.production.files import InputError
    from pinwatch.production.formats import oldest_first, read_file

    problems: list[str] = []
    with progress("Reading", _size(files)) as done:
        for name in oldest_first(files):
            try:
                ranking.add_all(read_file(name, done))
            except InputError as error:
                problems.append(str(error))
    return problems


def _write(watchlist: Path, found: Found) -> None:
    """Write a watchlist, and say so on standard error.

    Raises SettingError, also if a file could not be read to its end: the pins that it
    has would be missing from the watchlist.
    """
    from pinwatch.cli.report_watchlist import NOT_WRITTEN, watchlist_of, written

    if found.problems:
        raise SettingError(NOT_WRITTEN.format(watchlist))
    chosen = watchlist_of(found.rows)
    chosen.write(watchlist)
    for sentence in written(watchlist, chosen):
        print(escaped(sentence), file=sys.stderr)


def _size(files: list[str]) -> int | None:
    """Return the bytes of all files; None if standard input is one of them."""
    if STANDARD_INPUT in files:
        return None
    return sum(os.path.getsize(name) for name in files if os.path.isfile(name))


def _show(found: Found, judged: Report, format: Ranked, everything: bool) -> None:
    from pinwatch.cli import report_page, report_text

    match format:
        case Ranked.TEXT:
            print_lines(report_text.lines(found, everything))
        case Ranked.JSON:
            print(json.dumps(report_text.document(found)))
        case Ranked.HTML:
            print(report_page.html(found))
        case Ranked.MARKDOWN:
            print(report_page.markdown(found))
        case _:
            print(rendered(judged, Format(format)))
