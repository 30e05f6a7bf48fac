"""pinwatch explain: whether SQL pins a session of RDS Proxy, and what to do about it.

Owns how input is read and recognised, the text for people and the JSON for programs.
Needs no database.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from pinwatch.errors import SettingError
from pinwatch.pins.carets import marked, printable

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.pins.profiles import Profile
    from pinwatch.pins.verdict import Finding, Verdict

PINS: Final = 1
MISUSE: Final = 2
KEYS: Final = ("sql", "query")
"""The keys of a line of JSON that may have the SQL; the first that is there counts."""
NO_STATEMENT: Final = "There is no statement in this."
PARSE_PINS: Final = "Under this profile any Parse message pins, whatever its text."
BY_WORDS: Final = "PostgreSQL's grammar refuses this: {}. It was judged by its words."
NOT_JUDGED: Final = (
    "This could not be judged: PostgreSQL's grammar refuses it, {}, and none of its "
    "words pins."
)
BY_TOKENS: Final = (
    "This statement is too expensive to parse, and was judged by its tokens: the "
    "functions and commands that pin are found, wherever they stand."
)
NORMALISED_FROM: Final = 0.8  # of the largest statement
NORMALISED: Final = (
    "{} of 16,384 bytes, with placeholders: if this is normalised text, as in "
    "pg_stat_statements, what was sent was longer, and may have pinned by its size."
)
AS_ONE: Final = (
    "The statements were judged one by one, as psql sends them. As one message of {} "
    "bytes, the text would pin by its size."
)
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
        "This is JSON of CloudWatch Logs, not SQL: give the statements in its messages "
        "to pinwatch explain -.",
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
        "This is a log of RDS Proxy, not SQL: give the statements in its digests to "
        "pinwatch explain -.",
    ),
    (
        re.compile(
            r"(?:[0-9\[<].*\b)?(?:DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|"
            r"STATEMENT|DETAIL|HINT|QUERY|CONTEXT):\s"
        ),
        "This is a log of PostgreSQL, not SQL: give its statements, without the prefix "
        "of its lines, to pinwatch explain -.",
    ),
    (
        re.compile(r'[0-9"][^,\n]*,|"?\w+"?(?:,"?\w+"?)+\s*(?:\n|\Z)'),
        "This is CSV, not SQL: give its statements to pinwatch explain --jsonl, as one "
        "JSON object a line, with SQL in the key sql or query.",
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
"""How comments of SQL begin; their text may look like other input."""
BEGINNING: Final = 2  # tokens by which a large text is known to be SQL
CUT_OFF: Final = re.compile(r"at end of input\Z|\Aunterminated ")
"""The parser's messages about SQL of which it has the beginning only."""
FILE_NAME: Final = re.compile(r"""[^\s;'"()]*(?:[/\\][^\s;'"()]*|\.[A-Za-z0-9]{1,6})""")
BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def explain(
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL|FILE", help="The SQL, or a file of SQL; - for standard input."
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="Text for people, or JSON for programs.")
    ] = Format.TEXT,
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
) -> None:
    """Say whether SQL pins a session of RDS Proxy, why, and what to do about it.

    SQL on the command line is judged as one message, as a driver sends it. A file, or
    standard input, is judged statement by statement, as psql sends it: backslash
    commands and the rows of a COPY are skipped.

    The exit status is 0 if nothing pins, 1 if something does, and 2 on misuse, or if
    some of the input could not be read or judged.

    [bold]Examples[/bold]

    $ pinwatch explain "SET search_path TO app"

    $ pinwatch explain migration.sql

    $ pinwatch explain --format json - < migration.sql

    $ psql -Atc "SELECT row_to_json(s) FROM pg_stat_statements s" |
    pinwatch explain --jsonl
    """
    chosen = _profile(profile)
    if jsonl:
        if sql not in (None, "-") or format is Format.JSON:
            raise SettingError(
                "--jsonl reads standard input: it takes no SQL and no --format."
            )
        raise typer.Exit(_explain_lines(chosen))
    if sql is None:
        raise SettingError("Give the SQL, the name of a file, or - for standard input.")
    text, is_script = _input(sql)
    answer = _script(text, chosen) if is_script else _message(text, chosen)
    if answer.judged and _begins_without_statement(answer.judged[0]):
        _refuse_foreign(text, is_script)
    if format is Format.JSON:
        print(json.dumps(described(answer, chosen)))
    elif answer.is_no_sql:
        raise SettingError(NO_SQL.format(answer.refused[0].verdict.error))
    else:
        _print(answer, chosen)
    raise typer.Exit(answer.status)


def _profile(name: str) -> Profile:
    from pinwatch.pins.profiles import PROFILES

    if name not in PROFILES:
        raise SettingError(
            f"profile is {name}, but must be one of {', '.join(PROFILES)}."
        )
    return PROFILES[name]


# Reading.


def _input(sql: str) -> tuple[str, bool]:
    """The text to judge, and whether it is a script rather than one message."""
    if sql == "-":
        return _decoded(sys.stdin.buffer.read()), True
    if os.path.isdir(sql):
        raise SettingError(
            f"{sql} is a directory: give pinwatch explain the files in it."
        )
    try:
        if os.path.exists(sql):
            return _decoded(Path(sql).read_bytes()), True
    except OSError as error:
        raise SettingError(f"{sql} could not be read: {error.strerror}.") from None
    return sql, False


def _decoded(text: bytes) -> str:
    for mark, encoding in BOMS.items():
        if text.startswith(mark):
            return text.removeprefix(mark).decode(encoding, "replace")
    return text.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one statement, or one message, at position in the whole text."""

    verdict: Verdict
    position: int
    unseen: str = ""

    @property
    def is_refused(self) -> bool:
        return bool(self.verdict.error)

    @property
    def is_oversize(self) -> bool:
        return any(f.rule == "statement_size" for f in self.verdict.findings)

    @property
    def is_unknown(self) -> bool:
        """The grammar refuses it, and none of its words pins: it cannot be judged."""
        return self.is_refused and not self.verdict.findings


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdicts on a text; size is its length in bytes, if that alone would pin."""

    text: str
    judged: Sequence[Judged]
    size: int = 0

    @property
    def refused(self) -> list[Judged]:
        return [one for one in self.judged if one.is_refused]

    @property
    def findings(self) -> list[tuple[Judged, Finding]]:
        return [(one, found) for one in self.judged for found in one.verdict.findings]

    @property
    def is_no_sql(self) -> bool:
        """Return True if no statement of the text could be judged."""
        return bool(self.judged) and all(one.is_unknown for one in self.judged)

    @property
    def is_unknown(self) -> bool:
        """Return True if a statement of the text could not be judged."""
        return any(one.is_unknown for one in self.judged)

    @property
    def pins(self) -> bool | None:
        if self.findings:
            return True
        return None if self.is_unknown else False

    @property
    def status(self) -> int:
        return MISUSE if self.is_unknown else PINS if self.findings else 0


def _message(text: str, profile: Profile) -> Answer:
    """Judge a text that is sent at once; its statements, if the grammar refuses it."""
    from pinwatch.pins.script import pieces

    if not any(pieces(text)):
        return Answer(text, [])
    whole = _verdict(text, profile)
    return _script(text, profile) if whole.error else Answer(text, [Judged(whole, 0)])


def _script(text: str, profile: Profile) -> Answer:
    """Judge a text whose statements are sent one by one."""
    from pinwatch.pins.rules import MAX_STATEMENT
    from pinwatch.pins.script import pieces

    judged = [
        Judged(_verdict(piece.text, profile), piece.position, piece.unseen)
        for piece in pieces(text)
    ]
    size = _size(text)
    return Answer(text, judged, size if len(judged) > 1 and size > MAX_STATEMENT else 0)


def _verdict(text: str, profile: Profile) -> Verdict:
    """The verdict on one statement or message, with values for its placeholders."""
    from pinwatch.pins.script import filled
    from pinwatch.pins.verdict import verdict, verdict_of_tokens

    found = verdict(text.encode("utf-8", "replace"), profile)
    if not found.error:
        return found
    for reading in filled(text):
        other = verdict(reading.encode("utf-8", "replace"), profile)
        if not other.error:
            return other
    return verdict_of_tokens(text, profile, found.error)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


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


# For both.


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about a statement, or about the whole text."""

    rule: str
    text: str
    statement: str = ""
    position: int = 0


def _notes(answer: Answer, profile: Profile) -> Iterator[Note]:
    for one in answer.judged:
        yield from _notes_on(answer.text, one)
    if not answer.judged:
        yield Note("syntax", NO_STATEMENT)
    if answer.size:
        yield Note("statement_size", AS_ONE.format(answer.size))
    if profile.parse_pins:
        yield Note("parse_message", PARSE_PINS)


def _notes_on(text: str, one: Judged) -> Iterator[Note]:
    verdict, start = one.verdict, one.position
    statement = text[start : start + len(verdict.text)]
    for warning in verdict.warnings:
        at = start + warning.position
        shown = text[at : at + len(warning.statement)]
        yield Note(warning.rule, warning.text, shown, at)
    if one.is_refused:
        sentence = NOT_JUDGED if one.is_unknown else BY_WORDS
        yield Note("syntax", sentence.format(verdict.error), statement, start)
    elif verdict.approximate and not one.is_oversize:
        yield Note("approximate", BY_TOKENS, statement, start)
    if not one.is_oversize and _may_be_longer(verdict.text):
        size = _size(verdict.text)
        yield Note("statement_size", NORMALISED.format(size), statement, start)
    if one.unseen:
        line_end = text.find("\n", start)
        line = text[start:] if line_end < 0 else text[start:line_end]
        yield Note("unseen", one.unseen, statement or line, start)


def _may_be_longer(text: str) -> bool:
    """Return True if text is near the limit and has placeholders of normalised text."""
    from pinwatch.pins.rules import MAX_STATEMENT
    from pinwatch.pins.tokens import PARAMETER, tokens

    if _size(text) < NORMALISED_FROM * MAX_STATEMENT:
        return False
    return any(token.kind == PARAMETER for token in tokens(text).code)


# For programs.


def described(answer: Answer, profile: Profile) -> dict[str, Any]:
    """The answer as JSON has it; positions are in characters of the whole text."""
    return {
        "pinned": answer.pins,
        "parsed": not answer.refused,
        "approximate": any(
            one.verdict.approximate and not one.is_oversize for one in answer.judged
        ),
        "findings": [_described(answer.text, *found) for found in answer.findings],
        "warnings": [_noted(note) for note in _notes(answer, profile)],
    }


def _noted(note: Note) -> dict[str, Any]:
    said: dict[str, Any] = {"rule": note.rule, "text": note.text}
    if note.statement:
        said |= {"statement": note.statement, "position": note.position}
    return said


def _described(text: str, one: Judged, finding: Finding) -> dict[str, Any]:
    from pinwatch.pins.advice import advice

    verdict = one.verdict
    advised = advice(verdict, finding)
    position = one.position + finding.position
    found = {
        "rule": finding.rule,
        "subject": finding.subject,
        "contested": finding.contested,
        "parsed": not one.is_refused,
        "reason": verdict.reason(finding),
        "digest": verdict.digest,
        "statement": text[position : position + len(finding.statement)],
        "position": position,
        "trigger": [one.position + at for at in finding.trigger],
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


def _explain_lines(profile: Profile) -> int:
    """Answer each line of standard input; return the exit status."""
    out = sys.stdout
    lines = unreadable = unknown = pinned = 0
    for line in _with_progress(sys.stdin.buffer):
        if line.strip():
            document, answer = _explained(line, profile)
            out.write(json.dumps(document) + "\n")
            lines += 1
            if answer is None:
                unreadable += 1
            else:
                unknown += answer.pins is None
                pinned += answer.pins is True
    out.flush()
    if unreadable:
        print(f"pinwatch: {UNREADABLE.format(unreadable, lines)}", file=sys.stderr)
    elif unknown:
        print(f"pinwatch: {UNKNOWN.format(unknown, lines)}", file=sys.stderr)
    return MISUSE if unreadable or unknown else PINS if pinned else 0


def _explained(line: bytes, profile: Profile) -> tuple[dict[str, Any], Answer | None]:
    """Return the line's object with the verdict's keys, and the answer.

    A line that cannot be read has the key error instead, and no answer.
    """
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
    answer = _message(sql, profile)
    return given | described(answer, profile), answer


def _with_progress(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of stream, with a progress bar if a person waits for a file."""
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


def _print(answer: Answer, profile: Profile) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line, style in _lines(answer, profile):
        console.print(line, style=style, markup=False)


def _lines(answer: Answer, profile: Profile) -> Iterator[tuple[str, str]]:
    """The lines of the answer, each with its style."""
    for one, finding in answer.findings:
        yield from _finding_lines(answer.text, one, finding)
        yield "", ""
    for note in _notes(answer, profile):
        if note.statement:
            yield next(marked(answer.text, note.position, note.position)), ""
            yield f"Warning, {note.rule}: {printable(note.text)}", "yellow"
            yield "", ""
        else:
            yield note.text, "yellow"
    yield _sum(answer, profile)


def _sum(answer: Answer, profile: Profile) -> tuple[str, str]:
    count = len(answer.findings)
    statements = sum(bool(one.verdict.text) for one in answer.judged)
    unknown = sum(one.is_unknown for one in answer.judged)
    left = f" {unknown} of {statements} statements could not be judged."
    if count:
        reasons = "1 reason" if count == 1 else f"{count} reasons"
        pins = f"This pins, by the rules of {profile.name}: {reasons}."
        return pins + (left if unknown else ""), "bold"
    if unknown:
        return (
            f"Nothing is known to pin, by the rules of {profile.name}.{left}",
            "yellow",
        )
    return f"Nothing pins, by the rules of {profile.name}.", "green"


def _finding_lines(
    text: str, one: Judged, finding: Finding
) -> Iterator[tuple[str, str]]:
    from pinwatch.pins.advice import advice

    verdict = one.verdict
    start, end = (one.position + at for at in finding.trigger)
    line, carets = marked(text, start, end)
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
