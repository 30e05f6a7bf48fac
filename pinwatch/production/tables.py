"""CSV with commas, semicolons or tabs between its cells, as spreadsheets write it."""

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO, Final

from pinwatch.production.files import InputError

DELIMITERS: Final = ",;\t"
MAX_CELL: Final = 67_108_864  # bytes; pg_stat_statements keeps statements of any size

Numbered = tuple[int, list[str]]
"""A row, and the number of its last line."""


def header(beginning: bytes) -> list[str]:
    """Return the names of the columns, in lower case, of a file that begins so."""
    line = beginning.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return [_name(cell) for cell in line.split(_delimiter(line))]


def read_rows(name: str, stream: BinaryIO) -> Iterator[Numbered]:
    """Yield the rows that are not empty; raises InputError at the first fault."""
    csv.field_size_limit(MAX_CELL)
    text = io.TextIOWrapper(stream, "utf-8", "replace", newline="")
    first = text.readline()
    lines = chain([first], text)
    rows = csv.reader(lines, delimiter=_delimiter(first), strict=True)
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise InputError(name, f"This is not CSV: {error}.", rows.line_num) from None


def read_table(name: str, stream: BinaryIO) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows below a header by the names of their columns, in lower case."""
    rows = read_rows(name, stream)
    names = [_name(cell) for cell in next(rows, (0, []))[1]]
    for number, row in rows:
        yield number, dict(zip(names, row, strict=False))


def _name(cell: str) -> str:
    return cell.strip('" ').lower()


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)
