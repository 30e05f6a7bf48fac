"""The files that are linted, and the SQL texts in each of them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pinwatch.errors import PinwatchError, reason
from pinwatch.lint.placeholders import without_placeholders
from pinwatch.lint.python import literals
from pinwatch.text import decoded

SQL: Final = (".sql", ".psql", ".ddl")
PYTHON: Final = ".py"
SKIPPED: Final = {"node_modules", "__pycache__", "venv", "site-packages", "build"}
"""Folders that have no source of the application; nor has one whose name is hidden."""
STANDARD_INPUT: Final = "-"


class SourceError(PinwatchError):
    """A file cannot be linted; the text has its name and the reason."""


@dataclass(frozen=True, slots=True)
class Text:
    """SQL at ``position`` of a file, in characters; a script has many statements.

    ``sql`` is as long as its source. ``end`` is where its source ends.
    """

    sql: str
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and the SQL in it."""

    name: str
    content: str
    texts: tuple[Text, ...]

    @property
    def is_script(self) -> bool:
        return not self.name.endswith(PYTHON)


def files(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files of SQL and Python below folders, and other paths as they are."""
    for path in paths:
        if path == STANDARD_INPUT or not os.path.isdir(path):
            yield path
        else:
            yield from _below(Path(path))


def _below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not (path.name.startswith(".") or path.name in SKIPPED):
                yield from _below(path)
        elif path.suffix in (*SQL, PYTHON):
            yield str(path)


def read(name: str, data: bytes) -> Source:
    """Return the source that data is; raises SourceError if it is broken Python."""
    content = decoded(data)
    if not name.endswith(PYTHON):
        sql = without_placeholders(content)
        return Source(name, content, (Text(sql, 0, len(content)),))
    try:
        found = literals(content)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise SourceError(f"{name}: This is not Python: {error}.") from None
    texts = [Text(without_placeholders(one.sql), one.start, one.end) for one in found]
    return Source(name, content, tuple(texts))


def read_file(name: str) -> Source:
    """Read a file; raises SourceError if that is not possible."""
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise SourceError(f"{name}: {reason(error)}.") from None
    return read(name, data)
