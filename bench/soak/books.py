"""The books: what clients sent, what was answered, what must be in the database.

A request on a connection that was lost may or may not have reached pinwatch, and a
transaction whose COMMIT was not answered may or may not have taken place. The books
keep these apart, so that all other sums are exact.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Final

MAX_PROBLEMS: Final = 50
"""Problems that are kept in full."""


@dataclass(slots=True)
class Count:
    """A number of requests: those that were sent, and those that were answered."""

    sent: int = 0
    answered: int = 0

    def admits(self, value: float) -> bool:
        """Return whether value counts each answered request, and none never sent."""
        return self.answered <= value <= self.sent

    def __str__(self) -> str:
        lost = self.sent - self.answered
        return f"{self.answered:,}" + (f" to {self.sent:,}" if lost else "")


@dataclass(slots=True)
class Rows:
    """The rows that clients insert; each has a number of its own."""

    committed: int = 0
    total: int = 0
    unknown: set[int] = field(default_factory=set)
    """Rows whose transaction was not answered."""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def new(self) -> int:
        """Return the number of a new row, whose outcome is not known yet."""
        number = next(self._numbers)
        self.unknown.add(number)
        return number

    def commit(self, *numbers: int) -> None:
        self.unknown.difference_update(numbers)
        self.committed += len(numbers)
        self.total += sum(numbers)

    def roll_back(self, *numbers: int) -> None:
        self.unknown.difference_update(numbers)


@dataclass(slots=True)
class Books:
    """All that the clients know about their work."""

    connections: int = 0
    logins: Count = field(default_factory=Count)
    wrong_passwords: Count = field(default_factory=Count)
    cancels: int = 0
    queries: Count = field(default_factory=Count)
    """Query messages."""
    statements: Count = field(default_factory=Count)
    """Query and Execute messages."""
    pins: Count = field(default_factory=Count)
    """Sessions that pinned."""
    rows: Rows = field(default_factory=Rows)
    visits: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Expected errors by kind: those of faults."""
    problems: list[str] = field(default_factory=list)
    """Replies that are wrong: they fail the soak."""

    def problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)
