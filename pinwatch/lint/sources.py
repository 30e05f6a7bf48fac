"""The files that are linted, and the SQL texts in each of them."""

import os
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from pinwatch.errors import PinwatchError, reason
from pinwatch.lint.placeholders import without_placeholders
from pinwatch.lint.python import literals
from pinwatch.pins.carets import line_starts
from pinwatch.text import STANDARD_INPUT, decoded

SQL: Final = (".sql", ".psql", ".ddl")
PYTHON: Final = ".py"
SKIPPED: Final = {"node_modules", "__pycache__", "venv", "site-packages", "build"}
"""Folders that have no source of the application; nor has one whose name is hidden."""
PLACEHOLDERS: Final = ("{", "%")
"""Marks of a string of Python into which the program puts parts of the SQL."""


class SourceError(PinwatchError):
    """A file cannot be linted; the text is the reason. ``line`` is 0 if unknown."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Text:
    """SQL at ``position`` of a file, in characters; a script has many statements.

    ``source`` is what the file has there. If ``is_verbatim``, ``sql`` is as long. If
    ``is_complete``, PostgreSQL receives it as it is: a text that its grammar refuses is
    no SQL. ``lines`` are those of the Python statement that has it.
    """

    sql: str
    position: int
    source: str
    is_verbatim: bool = True
    is_complete: bool = False
    lines: tuple[int, int] = (1, 0)

    @property
    def end(self) -> int:
        return self.position + len(self.source)

    def source_position(self, position: int) -> int:
        """Return where a position of ``sql`` is in the file.

        That is exact if ``is_verbatim``. If not, and source and ``sql`` have the same
        number of lines, return the start of the line; otherwise the start of the
        source.
        """
        if self.is_verbatim:
            return self.position + position
        line = bisect_right(self._sql_lines, position) - 1
        if len(self._sql_lines) != len(self._source_lines):
            return self.position
        return self.position + self._source_lines[line]

    @cached_property
    def _sql_lines(self) -> Sequence[int]:
        return line_starts(self.sql)

    @cached_property
    def _source_lines(self) -> Sequence[int]:
        return line_starts(self.source)


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and the SQL in it; name is empty for standard input."""

    name: str
    content: str
    texts: tuple[Text, ...]

    @property
    def is_script(self) -> bool:
        return not _is_python(self.name)


def files(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files of SQL and Python below folders, and other paths, each once."""
    seen = set()
    for path in paths:
        for file in _below(path) if os.path.isdir(path) else [path]:
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def _below(folder: str) -> Iterator[str]:
    """Yield the files below a folder, and folders that cannot be read.

    Links to folders are not followed: they may lead back.
    """
    unreadable: list[str] = []
    walk = os.walk(folder, onerror=lambda error: unreadable.append(error.filename))
    for path, folders, names in walk:
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED
        )
        for file in sorted(Path(path, name) for name in names):
            if file.suffix.lower() in (*SQL, PYTHON) and file.is_file():
                yield str(file)
    yield from unreadable


def read(name: str, data: bytes) -> Source:
    """Return the source that data is; raises SourceError if it is no text or Python."""
    content = decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in content:
        line = content.count("\n", 0, content.index("\0")) + 1
        raise SourceError("This is not text: it has NUL characters.", line)
    if not _is_python(name):
        sql = without_placeholders(content)
        return Source(name, content, (Text(sql, 0, content),))
    return Source(name, content, tuple(_python_texts(name, content)))


def _python_texts(name: str, content: str) -> Iterator[Text]:
    try:
        found = literals(content)
    except SyntaxError as error:
        raise SourceError(
            f"This is not Python: {error.msg}.", error.lineno or 1
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"This is not Python: {error}.") from None
    for one in found:
        yield Text(
            without_placeholders(one.sql),
            one.start,
            content[one.start : one.end],
            one.is_verbatim,
            not (one.has_values or any(mark in one.sql for mark in PLACEHOLDERS)),
            one.lines,
        )


def read_file(name: str) -> Source:
    """Read a file, or standard input; raises SourceError if that is not possible."""
    try:
        data = _data(name)
    except OSError as error:
        raise SourceError(f"{reason(error)}.") from None
    return read("" if name == STANDARD_INPUT else name, data)


def _data(name: str) -> bytes:
    if name != STANDARD_INPUT:
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise SourceError("It is closed.")
    data = sys.stdin.buffer.read()
    if not data:
        raise SourceError("It is empty.")
    return data


def _is_python(name: str) -> bool:
    return name.lower().endswith(PYTHON)
