"""A piece of a text marked by carets below it, for people at a terminal."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from pinwatch.text import printable

SHOWN: Final = 100  # characters of a line around what is marked


def marked(text: str, start: int, end: int) -> Iterator[str]:
    """Yield the line in which the piece begins, with its number, and the carets."""
    starts = _cached_starts(text)
    number = bisect_right(starts, start)
    line_start = starts[number - 1]
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    shown_from = max(line_start, start - SHOWN // 2)
    shown_to = min(line_end, shown_from + SHOWN)
    before = "..." if shown_from > line_start else ""
    after = "..." if shown_to < line_end else ""
    label = f"line {number}: "
    yield label + before + printable(text[shown_from:shown_to]) + after
    width = max(1, min(end, shown_to) - start)
    yield " " * (len(label) + len(before) + start - shown_from) + "^" * width


def line_and_columns(text: str, start: int, end: int) -> tuple[int, int, int]:
    """Return the line of a piece, its column, and the column after its end on the line.

    All of them count from 1.
    """
    starts = _cached_starts(text)
    number = bisect_right(starts, start)
    line_end = text.find("\n", start, end)
    line_start = starts[number - 1]
    shown_end = end if line_end < 0 else line_end
    return number, start - line_start + 1, shown_end - line_start + 1


def line_starts(text: str) -> Sequence[int]:
    """Return the index of the first character of each line."""
    return [0, *(newline.end() for newline in re.finditer("\n", text))]


_cached_starts: Final = lru_cache(1)(line_starts)  # since a script has many pieces
