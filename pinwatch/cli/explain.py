"""pinwatch explain: whether SQL pins a session of RDS Proxy, and what to do about it.

Owns how input is read and recognised. Needs no database, except with --database.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from pinwatch.cli.formats import (
    FOUND,
    MISUSE,
    NOTHING,
    Contested,
    ContestedOption,
    Format,
    FormatOption,
    level,
    rendered,
    status,
)
from pinwatch.cli.terminal import print_lines, progress
from pinwatch.errors import SettingError
from pinwatch.text import decoded

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.cli.answer import Answer, Judged
    from pinwatch.pins.profiles import Profile
    from pinwatch.reports.result import Report

KEYS: Final = ("sql", "query")
"""The keys of a line of JSON that may have the SQL; the first that is there counts."""
NO_SQL: Final = (
    "This is not SQL ({}), and none of its words pins: give pinwatch explain SQL, the "
    "name of a file of SQL, or - for standard input."
)
NO_FILE: Final = (
    "There is no file {}: give pinwatch explain the name of a file of SQL, SQL, or - "
    "for standard input."
)
UNREADABLE: Final = (
    "{} of {} lines could not be read: --jsonl reads one JSON object a line, with SQL "
    "in the key sql or query; for SQL itself use pinwatch explain -."
)
UNKNOWN: Final = (
    "{} of {} lines could not be judged, as PostgreSQL's grammar refuses their SQL: "
    'they have "pinned": null.'
)
FOREIGN: Final = (
    (
        re.compile(r'[{\[](?s:.*)"(?:logStreamName|eventId|ingestionTime|events)"'),
        "This is JSON of CloudWatch Logs, not SQL: pinwatch report reads it.",
    ),
    (
        re.compile(r"\{|\[\s*[{\[\"\]]"),
        "This is JSON, not SQL: pinwatch explain --jsonl reads one JSON object a line, "
        "with SQL in the key sql or query.",
    ),
    (
        re.compile(
            r".*(?:\[(?:proxyEndpoint|clientConnection|dbConnection)=|"
            r"The client session was pinned to the database connection)"
        ),
        "This is a log of RDS Proxy, not SQL: pinwatch report reads it.",
    ),
    (
        re.compile(
            r"(?:[0-9\[<].*\b)?(?:DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|"
            r"STATEMENT|DETAIL|HINT|QUERY|CONTEXT):\s"
        ),
        "This is a log of PostgreSQL, not SQL: pinwatch report reads it.",
    ),
    (
        re.compile(r'[0-9"][^,\n]*,|"?\w+"?(?:,"?\w+"?)+\s*(?:\n|\Z)'),
        "This is CSV, not SQL: pinwatch report reads CSV of Logs Insights and of "
        "pg_stat_statements.",
    ),
    (
        re.compile(r"[^\n]*\n\s*-+(?:\+-+)*\s*\n"),
        "This is a table that psql printed, not SQL: print the statements with "
        "psql -At, and give them to pinwatch explain -.",
    ),
    (
        re.compile("PGDMP"),
        "This is an archive of pg_dump, not SQL: give the output of pg_restore -f - to "
        "pinwatch explain -.",
    ),
)
"""Input that is no SQL, by how it begins; no statement begins like that."""
COMMENTS: Final = ("--", "/*")
"""The marks of SQL comments, whose text may look like other input."""
BEGINNING: Final = 2  # tokens by which a large text is known to be SQL
CUT_OFF: Final = re.compile(r"at end of input\Z|\Aunterminated ")
"""The parser's messages about SQL of which it has the beginning only."""
FILE_NAME: Final = re.compile(r"""[^\s;'"()]*(?:[/\\][^\s;'"()]*|\.[A-Za-z0-9]{1,6})""")


def explain(
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL|FILE", help="The SQL, or a file of SQL; - for standard input."
        ),
    ] = None,
    format: FormatOption = Format.TEXT,
    contested: ContestedOption = Contested.FAIL,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Read one JSON object a line, with SQL in the key sql or query, and "
            "write each with the verdict's keys added.",
        ),
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The rules of pinning: rds-2023-11, rds-2020-06, or lenient, under "
            "which contested findings do not pin.",
        ),
    ] = "rds-2023-11",
    rule: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Print the page of a rule: what pins, why, what to do."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Look up, in the database at URL, the functions and triggers that the "
            "SQL runs, and warn of state that they leave.",
        ),
    ] = None,
) -> None:
    """Say whether SQL pins a session of RDS Proxy, why, and what to do about it.

    SQL on the command line is judged as one message, as a driver sends it. A file, or
    standard input, is judged statement by statement, as psql sends it: backslash
    commands and the rows of a COPY are skipped.

    The exit status is 0 if nothing pins, 1 if something does, and 2 on misuse, or if
    some of the input could not be read or judged. Contested findings count, unless
    --contested report.

    [bold]Examples[/bold]

    $ pinwatch explain "SET search_path TO app"

    $ pinwatch explain migration.sql

    $ pinwatch explain --format sarif migration.sql > pins.sarif

    $ psql -Atc "SELECT row_to_json(s) FROM pg_stat_statements s" |
    pinwatch explain --jsonl

    $ pinwatch explain --rule set

    $ pinwatch explain --database postgresql://me@db/app "SELECT app.login($1)"
    """
    from pinwatch.cli.answer import message, script
    from pinwatch.cli.findings import report

    if rule is not None:
        if (
            sql is not None
            or jsonl
            or database is not None
            or format is not Format.TEXT
        ):
            raise SettingError(
                "--rule prints a page: it takes no SQL, no --jsonl, no --database and "
                "no --format."
            )
        _print_page(rule)
        return
    chosen = _profile(profile)
    if jsonl:
        if sql not in (None, "-") or database is not None or format is not Format.TEXT:
            raise SettingError(
                "--jsonl reads standard input: it takes no SQL, no --database and no "
                "--format."
            )
        raise typer.Exit(_explain_lines(chosen, contested))
    if sql is None:
        raise SettingError("Give the SQL, the name of a file, or - for standard input.")
    text, is_script = _input(sql)
    answer = script(text, chosen) if is_script else message(text, chosen)
    if answer.judged and _begins_without_statement(answer.judged[0]):
        _refuse_foreign(text, is_script)
    if database is not None:
        from pinwatch.cli.database import follower

        answer = replace(answer, follower=follower(database))
    found = report(answer, sql if is_script and sql != "-" else "", contested)
    _print(answer, chosen, found, format)
    raise typer.Exit(status(found))


def _print(answer: Answer, profile: Profile, found: Report, format: Format) -> None:
    """Print the answer; raises SettingError if it is for people and is not of SQL."""
    from pinwatch.cli.answer import document, lines

    if format is Format.JSON:
        print(json.dumps(document(answer, profile)))
    elif format is not Format.TEXT:
        print(rendered(found, format))
    elif answer.is_no_sql:
        raise SettingError(NO_SQL.format(answer.refused[0].verdict.error))
    else:
        print_lines(lines(answer, profile, found.fails))


def _print_page(rule: str) -> None:
    """Print the page of a rule, as Markdown unless on a terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    from pinwatch.pins.names import HIDDEN_STATE, NAMES
    from pinwatch.pins.rule_pages import page
    from pinwatch.reports.hidden_state import PAGE

    if rule not in NAMES:
        raise SettingError(f"--rule is {rule}, but must be one of {', '.join(NAMES)}.")
    text = PAGE if rule == HIDDEN_STATE else page(rule)
    console = Console()
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        print(text, end="")


def _profile(name: str) -> Profile:
    from pinwatch.pins.profiles import PROFILES

    if name not in PROFILES:
        raise SettingError(
            f"--profile is {name}, but must be one of {', '.join(PROFILES)}."
        )
    return PROFILES[name]


def _input(sql: str) -> tuple[str, bool]:
    """The text to judge, and whether it is a script rather than one message."""
    if sql == "-":
        return decoded(sys.stdin.buffer.read()), True
    if os.path.isdir(sql):
        raise SettingError(
            f"{sql} is a directory: give pinwatch explain the files in it."
        )
    try:
        if os.path.exists(sql):
            return decoded(Path(sql).read_bytes()), True
    except OSError as error:
        raise SettingError(f"{sql} could not be read: {error.strerror}.") from None
    return sql, False


def _begins_without_statement(first: Judged) -> bool:
    """Return True if the grammar refuses it, or the beginning of it if it is large."""
    from pinwatch.pins.tokens import tokens
    from pinwatch.pins.verdict import verdict

    if not first.is_oversize:
        return first.is_refused
    text = first.verdict.text
    code = tokens(text).code[:BEGINNING]
    beginning = text[: code[-1].end] if code else ""
    error = verdict(beginning.encode("utf-8", "replace")).error
    return bool(error) and not CUT_OFF.search(error)


def _refuse_foreign(text: str, is_script: bool) -> None:
    """Raise SettingError if text, which begins with no statement, has a known form."""
    if not is_script and FILE_NAME.fullmatch(text):
        raise SettingError(NO_FILE.format(text))
    beginning = text.lstrip()
    if beginning.startswith(COMMENTS):
        return
    for pattern, sentence in FOREIGN:
        if pattern.match(beginning):
            raise SettingError(sentence)


def _explain_lines(profile: Profile, contested: Contested) -> int:
    """Answer each line of standard input; return the exit status."""
    from pinwatch.reports.result import Level

    out, stream = sys.stdout, sys.stdin.buffer
    lines = unreadable = unknown = failing = 0
    with progress("Explaining", _size(stream)) as done:
        for line in stream:
            done(len(line))
            if not line.strip():
                continue
            document, answer = _explained(line, profile)
            out.write(json.dumps(document) + "\n")
            lines += 1
            if answer is None:
                unreadable += 1
            else:
                unknown += answer.pins is None
                failing += any(
                    level(finding.contested, contested) is Level.ERROR
                    for _, finding in answer.findings
                )
    out.flush()
    if unreadable:
        print(f"pinwatch: {UNREADABLE.format(unreadable, lines)}", file=sys.stderr)
    elif unknown:
        print(f"pinwatch: {UNKNOWN.format(unknown, lines)}", file=sys.stderr)
    if unreadable or unknown:
        return MISUSE
    return FOUND if failing else NOTHING


def _size(stream: BinaryIO) -> int | None:
    """Return the size of a file in bytes; None for a pipe."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _explained(line: bytes, profile: Profile) -> tuple[dict[str, Any], Answer | None]:
    """Return the line's object with the verdict's keys, and the answer.

    A line that cannot be read has the key error instead, and no answer.
    """
    from pinwatch.cli.answer import described, message

    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"This line is not JSON: {error}"}, None
    if not isinstance(given, dict):
        return {"error": "This line is not a JSON object."}, None
    sql = next((given[key] for key in KEYS if key in given), None)
    if not isinstance(sql, str):
        text = "The key sql, or query, must be there, and be text."
        return given | {"error": text}, None
    answer = message(sql, profile)
    return given | described(answer, profile), answer
