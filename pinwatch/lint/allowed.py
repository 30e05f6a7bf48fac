"""Comments that allow a pin: ``-- pinwatch: allow set, listen``.

Such a comment stands on a line of the statement that pins, or among the lines of
comments just before it. In Python it begins with ``#``.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

COMMENT: Final = re.compile(r"(?:--|#)[ \t]*pinwatch:[ \t]*allow[ \t]+([\w, \t]+)")
MARKS: Final = ("--", "#", "/*")  # by which a line of comments alone begins

Lines = tuple[int, int]
"""The numbers of a first and a last line."""


class Allowed:
    """The rules that comments of a file allow, by the lines on which they stand."""

    def __init__(self, content: str) -> None:
        lines = content.split("\n")
        self._numbers: dict[str, list[int]] = {}
        for number, rules in _rules(lines):
            for rule in rules:
                self._numbers.setdefault(rule, []).append(number)
        self._firsts = list(_firsts(lines)) if self._numbers else []

    def allows(self, rule: str, *spans: Lines) -> bool:
        """Return True if a comment at one of these spans of lines allows a rule."""
        numbers = self._numbers.get(rule, [])
        return any(
            bisect_left(numbers, self._firsts[first - 1]) < bisect_right(numbers, last)
            for first, last in spans
            if numbers
        )


def _rules(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line with such a comment, and its rules."""
    for number, line in enumerate(lines, 1):
        found = COMMENT.search(line)
        if found is not None:
            yield number, re.split(r"[,\s]+", found[1].strip())


def _firsts(lines: Sequence[str]) -> Iterator[int]:
    """Yield for each line the number of the first of the comments just above it.

    That is the line's own number if there is no comment above it.
    """
    first = 1
    for number, line in enumerate(lines, 1):
        yield first
        if not line.lstrip().startswith(MARKS):
            first = number + 1
