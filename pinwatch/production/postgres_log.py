"""The statements in PostgreSQL's own logs: stderr, csvlog and jsonlog.

A log has statements if ``log_statement`` or ``log_min_duration_statement`` is set.
``statement:`` and ``execute NAME:`` are counted; ``parse`` and ``bind`` belong to an
execute. In the stderr format any ``log_line_prefix`` is skipped, and lines that follow
the first one of a message begin with a tab.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final

from pinwatch.production.cloudwatch import MAX_CELL
from pinwatch.production.files import InputError
from pinwatch.production.lines import entries
from pinwatch.production.records import Executed, Record
from pinwatch.production.times import STAMP, read_time

LEVELS: Final = (
    "DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|"
    "STATEMENT|DETAIL|HINT|QUERY|CONTEXT|LOCATION"
)
START: Final = re.compile(rb"^(?!\t).*?\b(?:" + LEVELS.encode() + rb"):  ?\S")
"""Matches the first line of a message."""

MESSAGE: Final = re.compile(rf"(.*?)\b({LEVELS}):\s+(.*)", re.DOTALL)
FIRST_TIME: Final = re.compile(STAMP)
EXECUTED: Final = re.compile(
    r"(?:duration: [\d.]+ ms  )?(?:statement|execute [^:]*): (.*)", re.DOTALL
)
CSV_TIME: Final = 0  # columns of csvlog
CSV_MESSAGE: Final = 13
CSV_APPLICATION: Final = 22
CSV_COLUMNS: Final = 23  # of PostgreSQL 9.0; later versions have more


def read_stderr(name: str, stream: BinaryIO) -> Iterator[Record]:
    for entry in entries(stream, START):
        found = MESSAGE.match(entry.decode("utf-8", "replace"))
        if found is not None and found[2] == "LOG":
            at = FIRST_TIME.search(found[1])
            message = found[3].replace("\n\t", "\n")
            yield from _executed(message, read_time(at[0]) if at else None)


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    csv.field_size_limit(MAX_CELL)
    rows = csv.reader(io.TextIOWrapper(stream, "utf-8", "replace", newline=""))
    try:
        for row in rows:
            if len(row) < CSV_COLUMNS:
                problem = f"csvlog has {CSV_COLUMNS} columns or more, not {len(row)}."
                raise InputError(name, problem, rows.line_num)
            at = read_time(row[CSV_TIME])
            yield from _executed(row[CSV_MESSAGE], at, row[CSV_APPLICATION])
    except csv.Error as error:
        raise InputError(name, f"This is not CSV: {error}.", rows.line_num) from None


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    for number, line in enumerate(stream, 1):
        try:
            found = json.loads(line)
            message, time = str(found.get("message", "")), str(found["timestamp"])
        except (ValueError, RecursionError, AttributeError, KeyError):
            problem = "This is not a line of jsonlog."
            raise InputError(name, problem, number) from None
        application = str(found.get("application_name", ""))
        yield from _executed(message, read_time(time), application)


def _executed(
    message: str, at: datetime | None, application: str = ""
) -> Iterator[Executed]:
    found = EXECUTED.match(message)
    if found is not None:
        yield Executed(found[1], 1, at, application)
