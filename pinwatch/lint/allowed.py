"""Comments that allow a pin: ``-- pinwatch: allow set, listen``.

Such a comment stands on a line of the statement that pins, or among the lines of
comments just before it. In Python it begins with ``#``.
"""

import re
from collections.abc import Iterator
from typing import Final

COMMENT: Final = re.compile(r"(?:--|#)[ \t]*pinwatch:[ \t]*allow[ \t]+([\w, \t]+)")
MARKS: Final = ("--", "#", "/*")  # by which a line of comments alone begins

Lines = tuple[int, int]
"""The numbers of a first and a last line."""


class Allowed:
    """The rules that comments of a file allow, by the lines on which they stand."""

    def __init__(self, content: str) -> None:
        self._rules = dict(_rules(content))
        self._lines = content.split("\n") if self._rules else []

    def allows(self, rule: str, *spans: Lines) -> bool:
        """Return True if a comment at one of these spans of lines allows a rule."""
        return bool(self._rules) and any(
            rule in self._rules.get(number, ())
            for first, last in spans
            for number in range(self._first_comment(first), last + 1)
        )

    def _first_comment(self, first: int) -> int:
        """Return the first of the lines that end at this one and else are comments."""
        while first > 1 and self._lines[first - 2].lstrip().startswith(MARKS):
            first -= 1
        return first


def _rules(content: str) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield the number of each line with such a comment, and its rules."""
    for number, line in enumerate(content.split("\n"), 1):
        found = COMMENT.search(line)
        if found is not None:
            yield number, frozenset(re.split(r"[,\s]+", found[1].strip()))
