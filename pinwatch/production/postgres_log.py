"""The statements in PostgreSQL's own logs: stderr, csvlog and jsonlog.

A log has statements if ``log_statement`` or ``log_min_duration_statement`` is set.
``statement:`` and ``execute NAME:`` are counted; ``parse`` and ``bind`` belong to an
execute. DETAIL has its parameters. In the stderr format, lines that follow the first
one of a message begin with a tab. Of any ``log_line_prefix``, the time, the process in
square brackets, and the role before an @ or after ``user=`` are read.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import entries, read_lines, read_objects
from pinwatch.production.records import Executed, Record
from pinwatch.production.tables import read_rows
from pinwatch.production.times import STAMP, read_time

LEVELS: Final = (
    "DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|"
    "STATEMENT|DETAIL|HINT|QUERY|CONTEXT|LOCATION"
)
START: Final = re.compile(rb"^(?!\t).*?\b(?:" + LEVELS.encode() + rb"):  ?\S")
"""Matches the first line of a message."""

MESSAGE: Final = re.compile(rf"(.*?)\b({LEVELS}):\s+(.*)", re.DOTALL)
PREFIX_TIME: Final = re.compile(rf"{STAMP}(?: [+-]\d\d(?::?\d\d)?\b| [A-Z]{{3,5}}\b)?")
"""Matches a time with its zone. If the zone is an abbreviation, only UTC is known."""
DETAIL: Final = "DETAIL"
PREFIX_SESSION: Final = re.compile(r"\[\d+\]")
PREFIX_ROLE: Final = re.compile(r"\buser=([^\s,]+)")
BEFORE_ROLE: Final = " :="  # one of these, and @ after the role
NOT_JSONLOG: Final = "This is not a line of jsonlog."
EXECUTED: Final = re.compile(
    r"(?:duration: [\d.]+ ms  )?(?:statement|execute [^:]*): (.*)", re.DOTALL
)
CSV_TIME: Final = 0  # columns of csvlog
CSV_USER: Final = 1
CSV_SESSION: Final = 5
CSV_MESSAGE: Final = 13
CSV_DETAIL: Final = 14
CSV_APPLICATION: Final = 22
CSV_COLUMNS: Final = 23  # of PostgreSQL 9.0; later versions have more


def read_stderr(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the statements of a log in the stderr format."""
    texts = (
        entry.decode("utf-8", "replace") for entry in entries(read_lines(stream), START)
    )
    for text, detail in _with_details(texts):
        yield from read_message(text, detail=detail)


def _with_details(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each message, and the DETAIL that follows it; without one, it is empty."""
    latest = ""
    for text in texts:
        found = MESSAGE.match(text) if DETAIL in text else None
        if found is not None and found[2] == DETAIL:
            yield latest, found[3].replace("\n\t", "\n")
            latest = ""
        else:
            yield latest, ""
            latest = text
    yield latest, ""


def read_message(
    text: str, at: datetime | None = None, detail: str = ""
) -> Iterator[Executed]:
    """Yield the statement of a message with its prefix, whose time goes before at."""
    found = MESSAGE.match(text)
    if found is not None and found[2] == "LOG":
        time = PREFIX_TIME.search(found[1])
        message = found[3].replace("\n\t", "\n")
        if sql := _statement(message):
            session = PREFIX_SESSION.search(found[1])
            yield Executed(
                sql,
                at=read_time(time[0]) if time else at,
                session=session[0] if session else "",
                role=_role(found[1]),
                detail=detail,
            )


def _role(prefix: str) -> str:
    before, at, _ = prefix.partition("@")
    if at:
        return before[max(map(before.rfind, BEFORE_ROLE)) + 1 :]
    found = PREFIX_ROLE.search(prefix)
    return found[1] if found else ""


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the statements of a csvlog; raises InputError at the first fault."""
    for number, row in read_rows(name, stream):
        if len(row) < CSV_COLUMNS:
            problem = f"csvlog has {CSV_COLUMNS} columns or more, not {len(row)}."
            raise InputError(name, problem, number)
        if sql := _statement(row[CSV_MESSAGE]):
            yield Executed(
                sql,
                at=read_time(row[CSV_TIME]),
                application=row[CSV_APPLICATION],
                session=row[CSV_SESSION],
                role=row[CSV_USER],
                detail=row[CSV_DETAIL],
            )


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the statements of a jsonlog; raises InputError at the first fault."""
    for number, found in read_objects(name, stream, NOT_JSONLOG):
        if "timestamp" not in found:
            raise InputError(name, NOT_JSONLOG, number)
        if sql := _statement(str(found.get("message", ""))):
            yield Executed(
                sql,
                at=read_time(str(found["timestamp"])),
                application=str(found.get("application_name") or ""),
                session=str(found.get("session_id") or ""),
                role=str(found.get("user") or ""),
                detail=str(found.get("detail") or ""),
            )


def _statement(message: str) -> str:
    """Return the statement in a message; empty if it has none."""
    found = EXECUTED.match(message)
    return "" if found is None else found[1]
