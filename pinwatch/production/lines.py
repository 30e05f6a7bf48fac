"""The lines of a file: the entries of a text log, and JSON objects.

Log viewers and people wrap lines, so that an entry has several.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

from pinwatch.production.files import InputError

MAX_LINE: Final = 16_777_216  # bytes; the rest of a longer one is read as a new line
MAX_ENTRY: Final = 65_536  # bytes of an entry; the rest of a longer one is dropped


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines, in bounded memory."""
    return iter(lambda: stream.readline(MAX_LINE), b"")


def read_objects(
    name: str, stream: BinaryIO, problem: str
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the JSON object of each line that is not blank, and the line's number.

    Raises InputError with the problem if a line is no object.
    """
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                found = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                raise InputError(name, problem, number) from None
            if not isinstance(found, dict):
                raise InputError(name, problem, number)
            yield number, found


def entries(lines: Iterable[bytes], start: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield entries: a line that start matches, with the lines up to the next one.

    Lines of an entry are joined by newlines.
    """
    entry: list[bytes] = []
    size = 0
    for line in lines:
        if start.search(line) and entry:
            yield b"\n".join(entry)
            entry.clear()
            size = 0
        if size < MAX_ENTRY:
            entry.append(line.rstrip(b"\r\n"))
            size += len(line)
    if entry:
        yield b"\n".join(entry)
