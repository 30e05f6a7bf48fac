r"""Statistics of pg_stat_statements: CSV with a header, or one JSON object a line.

A column or key ``query`` must be there, and ``calls`` may be. psql makes the CSV::

    \copy (SELECT queryid, calls, query FROM pg_stat_statements) TO 'statements.csv' CSV HEADER
"""  # noqa: E501 - \copy takes one line

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import read_objects
from pinwatch.production.records import Executed, Record
from pinwatch.production.tables import header, read_table

QUERY: Final = "query"
NESTED: Final = (False, "f", "false")
"""The values of the column toplevel for statements that no client sent."""
PROBLEM: Final = "This is not a JSON object."


def is_table(beginning: bytes) -> bool:
    """Return True if a CSV begins so that has the column query."""
    return QUERY in header(beginning)


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the statements of a table; raises InputError at the first fault."""
    for number, row in read_table(name, stream):
        yield from executed(name, row, number)


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the statements of JSON lines; raises InputError at the first fault."""
    for number, row in read_objects(name, stream, PROBLEM):
        yield from executed(name, row, number)


def executed(name: str, row: Mapping[str, Any], line: int) -> Iterator[Executed]:
    """Yield the statement of a row, unless the view hides it or a function ran it.

    A statement with 0 calls is left out as well. Raises InputError.
    """
    if QUERY not in row:
        raise InputError(name, "The column query is missing.", line)
    if (sql := row[QUERY]) and row.get("toplevel") not in NESTED:
        calls = row.get("calls")
        try:
            if number := _number(calls):
                yield Executed(str(sql), number, normalised=True)
        except (TypeError, ValueError, OverflowError):
            problem = f"calls is {str(calls)[:40]!r}, but must be a number."
            raise InputError(name, problem, line) from None


def _number(calls: Any) -> int:
    """Return a number of calls, 1 if it is missing; raises the errors of int."""
    number = 1 if calls in (None, "") else int(float(calls))
    if number < 0:
        raise ValueError
    return number
