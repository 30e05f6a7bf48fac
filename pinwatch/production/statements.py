r"""Statistics of pg_stat_statements: CSV with a header, or one JSON object a line.

A column or key ``query`` must be there, and ``calls`` may be. psql makes the CSV::

    \copy (SELECT queryid, calls, query FROM pg_stat_statements) TO 'statements.csv' CSV HEADER
"""  # noqa: E501 - \copy takes one line

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from pinwatch.production.cloudwatch import MAX_CELL
from pinwatch.production.files import InputError
from pinwatch.production.records import Executed, Record


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    csv.field_size_limit(MAX_CELL)
    text = io.TextIOWrapper(stream, "utf-8", "replace", newline="")
    rows = csv.DictReader(text)
    try:
        for row in rows:
            yield _executed(name, row, rows.line_num)
    except csv.Error as error:
        raise InputError(name, f"This is not CSV: {error}.", rows.line_num) from None


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise InputError(name, "This is not a JSON object.", number) from None
            if not isinstance(row, dict):
                raise InputError(name, "This is not a JSON object.", number)
            yield _executed(name, row, number)


def _executed(name: str, row: Mapping[str, Any], line: int) -> Executed:
    sql, calls = row.get("query"), row.get("calls") or 1
    if not isinstance(sql, str):
        raise InputError(name, "The column query is missing.", line)
    try:
        return Executed(sql, int(calls), normalised=True)
    except (TypeError, ValueError):
        problem = f"calls is {calls!r}, but must be a number."
        raise InputError(name, problem, line) from None
