"""Comments that allow a pin: ``-- pinwatch: allow set, listen``.

Such a comment stands in the statement that pins, or on the line before it. In Python it
begins with ``#``.
"""

import re
from collections.abc import Iterator
from typing import Final

COMMENT: Final = re.compile(r"(?:--|#)[ \t]*pinwatch:[ \t]*allow[ \t]+([\w, \t]+)")


class Allowed:
    """The rules that comments of a file allow, by the lines on which they stand."""

    def __init__(self, content: str) -> None:
        self._lines = dict(_lines(content))

    def allows(self, rule: str, first: int, last: int) -> bool:
        """Return True if a comment allows a rule for the lines from first to last."""
        return any(
            rule in self._lines.get(line, ()) for line in range(first - 1, last + 1)
        )


def _lines(content: str) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield the number of each line with such a comment, and its rules."""
    for number, line in enumerate(content.split("\n"), 1):
        found = COMMENT.search(line)
        if found is not None:
            yield number, frozenset(re.split(r"[,\s]+", found[1].strip()))
