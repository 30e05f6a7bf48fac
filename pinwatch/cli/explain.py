"""pinwatch explain: what RDS Proxy would pin of some SQL, and what to do about it.

Owns the words for people and the JSON for programs. Knows no database.
"""

from __future__ import annotations

import codecs
import json
import os
import stat
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, NoReturn

import typer

from pinwatch.pins.carets import marked, printable

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.pins.profiles import Profile
    from pinwatch.pins.verdict import Finding, Verdict

PINS: Final = 1
MISUSE: Final = 2
NO_SQL: Final = (
    "PostgreSQL's grammar does not have this: it was judged by the words that its "
    "statements begin with."
)
NO_STATEMENT: Final = "There is no statement in this."
PARSE_PINS: Final = "Under this profile any Parse message pins, whatever its text."


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def explain(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="The SQL; - for standard input."),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="For people, or for programs.")
    ] = Format.TEXT,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Read one JSON object a line, with the key sql, from standard input, "
            "and write each with the verdict's keys added. The exit status is 0.",
        ),
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The rules of pinning: rds-2023-11, rds-2020-06, or lenient, where "
            "what is contested does not pin.",
        ),
    ] = "rds-2023-11",
) -> None:
    """Say whether SQL pins a session of RDS Proxy, why, and what to do about it.

    The SQL is judged as one message, as a driver sends it. Statements that
    are sent one by one, as psql does, are for --jsonl.

    The exit status is 0 where nothing pins, 1 where something does, 2 on misuse.

    [bold]Examples[/bold]

    $ pinwatch explain "SET search_path TO app"

    $ pinwatch explain --format json - < migration.sql

    $ psql -Atc "SELECT json_build_object('sql', query) FROM pg_stat_statements" |
    pinwatch explain --jsonl
    """
    chosen = _profile(profile)
    if jsonl:
        if sql not in (None, "-") or format is Format.JSON:
            _misuse("--jsonl reads standard input: it takes no SQL and no --format.")
        _explain_lines(chosen)
        return
    if sql is None:
        _misuse("Give the SQL, or - to read it from standard input.")
    text = sys.stdin.buffer.read() if sql == "-" else sql.encode("utf-8", "replace")
    text = text.removeprefix(codecs.BOM_UTF8)
    verdict = _verdict(text, chosen)
    if format is Format.JSON:
        print(json.dumps(described(verdict, chosen)))
    else:
        _print(verdict, chosen)
    raise typer.Exit(PINS if verdict.pins else 0)


def _profile(name: str) -> Profile:
    from pinwatch.pins.profiles import PROFILES

    if name not in PROFILES:
        _misuse(f"profile is {name}, but must be one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def _misuse(sentence: str) -> NoReturn:
    print(f"pinwatch: {sentence}", file=sys.stderr)
    raise typer.Exit(MISUSE)


def _verdict(sql: bytes, profile: Profile) -> Verdict:
    from pinwatch.pins.verdict import verdict

    return verdict(sql, profile)


def _doubt(verdict: Verdict) -> str:
    """What to say of a text that the parser finds no statement in; empty for others.

    What is too long or too deep is not asked.
    """
    from pinwatch.pins.tree import TooDeep, Unparsable, statements

    if verdict.too_deep:
        return ""
    try:
        return "" if statements(verdict.text) else NO_STATEMENT
    except TooDeep:
        return ""
    except Unparsable:
        return NO_SQL


# For programs.


def described(verdict: Verdict, profile: Profile) -> dict[str, Any]:
    """The verdict as JSON has it; positions are in characters of the whole text."""
    warnings = [
        {
            "rule": warning.rule,
            "text": warning.text,
            "statement": warning.statement,
            "position": warning.position,
        }
        for warning in verdict.warnings
    ]
    doubt = _doubt(verdict)
    if doubt:
        warnings.append({"rule": "syntax", "text": doubt})
    if profile.parse_pins:
        warnings.append({"rule": "parse_message", "text": PARSE_PINS})
    return {
        "pinned": verdict.pins,
        "findings": [_described(verdict, finding) for finding in verdict.findings],
        "warnings": warnings,
    }


def _described(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    from pinwatch.pins.advice import advice

    advised = advice(verdict, finding)
    found = {
        "rule": finding.rule,
        "subject": finding.subject,
        "contested": finding.contested,
        "reason": verdict.reason(finding),
        "digest": verdict.digest,
        "statement": finding.statement,
        "position": finding.position,
        "trigger": [finding.trigger.start, finding.trigger.end],
        "advice": advised.text,
        "driver": advised.driver,
    }
    if finding.readings is not None:
        found["readings"] = {
            "pins": finding.readings.pins,
            "does_not": finding.readings.does_not,
            "sources": finding.readings.sources,
        }
    return found


def _explain_lines(profile: Profile) -> None:
    out = sys.stdout
    for line in _with_progress(sys.stdin.buffer):
        if line.strip():
            answer = _explained(line, profile)
            out.write(json.dumps(answer) + "\n")
    out.flush()


def _explained(line: bytes, profile: Profile) -> dict[str, Any]:
    """The line's object with the verdict's keys, or with the key error."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"This line is not JSON: {error}"}
    if not isinstance(given, dict):
        return {"error": "This line is not a JSON object."}
    sql = given.get("sql")
    if not isinstance(sql, str):
        return given | {"error": "The key sql must be there, and be text."}
    return given | described(_verdict(sql.encode("utf-8", "replace"), profile), profile)


def _with_progress(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of stream; a bar on standard error where a person waits for a file."""
    status = os.fstat(stream.fileno())
    if not (sys.stderr.isatty() and stat.S_ISREG(status.st_mode)):
        yield from stream
        return

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Explaining", total=status.st_size)
        for line in stream:
            yield line
            progress.advance(task, len(line))


# For people.


def _print(verdict: Verdict, profile: Profile) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line, style in _lines(verdict, profile):
        console.print(line, style=style, markup=False)


def _lines(verdict: Verdict, profile: Profile) -> Iterator[tuple[str, str]]:
    """Each with its style."""
    for finding in verdict.findings:
        yield from _finding_lines(verdict, finding)
        yield "", ""
    for warning in verdict.warnings:
        yield f"Warning, {warning.rule}: {warning.text}", "yellow"
        yield "", ""
    doubt = _doubt(verdict)
    if doubt:
        yield doubt, "yellow"
    if profile.parse_pins:
        yield PARSE_PINS, "yellow"
    count = len(verdict.findings)
    if not count:
        yield f"Nothing pins, by the rules of {profile.name}.", "green"
    else:
        found = "1 reason" if count == 1 else f"{count} reasons"
        yield f"This pins, by the rules of {profile.name}: {found}.", "bold"


def _finding_lines(verdict: Verdict, finding: Finding) -> Iterator[tuple[str, str]]:
    from pinwatch.pins.advice import advice

    line, carets = marked(verdict.text, *finding.trigger)
    yield line, ""
    yield carets, "red"
    subject = printable(finding.subject)
    contested = ", contested" if finding.contested else ""
    title = f"{finding.rule}: {subject}" if subject else finding.rule
    yield f"{title}{contested}", "bold red"
    yield f"  RDS Proxy: {printable(verdict.reason(finding))}", ""
    advised = advice(verdict, finding)
    by = f" ({advised.driver})" if advised.driver else ""
    yield f"  Fix{by}: {advised.text}", ""
    if advised.source:
        yield f"    {advised.source}", "dim"
    if finding.readings is not None:
        yield f"  For a pin: {finding.readings.pins}", ""
        yield f"  Against: {finding.readings.does_not}", ""
        for source in finding.readings.sources:
            yield f"    {source}", "dim"
