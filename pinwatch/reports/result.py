"""A finding as reports have it, whether SQL was read or a running proxy saw it.

Owns the fields that SARIF, JUnit and GitHub's annotations share. Does not know which
command found it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pinwatch.pins.alike import alike
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.text import number_of, place

DOCUMENT_VERSION: Final = 1
"""The version of JSON documents. It changes if a key is removed or changes its meaning;
new keys do not change it."""


class Level(StrEnum):
    """The weight of a result, in SARIF's words; only an error fails a command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of code; ``column`` and ``end_column`` count characters from 1.

    Fields that are not known are empty, or 0.
    """

    file: str
    line: int = 0
    function: str = ""
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return place(self.file, self.line, self.function)


@dataclass(frozen=True, slots=True)
class Result:
    """A statement that pins, by one rule, or that leaves hidden state.

    ``places`` are lines of code, innermost first. ``test`` is the id of a test, and
    ``suppression`` is SARIF's kind of suppression; both may be empty. ``count`` is the
    number of times that it was seen.
    """

    rule: str
    level: Level
    statement: str
    digest: str
    reason: str
    advice: str
    contested: str = ""
    places: tuple[Place, ...] = ()
    test: str = ""
    suppression: str = ""
    count: int = 1

    @property
    def pins(self) -> bool:
        """False for hidden state, for which RDS Proxy does not pin."""
        return self.rule != HIDDEN_STATE

    @property
    def left(self) -> str:
        """The sentence on the state of a leak; empty for a pin."""
        return "" if self.pins else self.reason

    @property
    def place(self) -> Place | None:
        """The innermost line of code."""
        return self.places[0] if self.places else None

    @property
    def has_file(self) -> bool:
        """True if the file is known; a place may have the function alone."""
        return self.place is not None and bool(self.place.file)

    @property
    def same_code(self) -> tuple[str, str]:
        """Rule and digest, equal in each run of the same code."""
        return self.rule, alike(self.digest)


def counted(results: Iterable[Result]) -> str:
    """Return how often they were seen, as in "2 pins and 1 leak"."""
    counts = {"pin": 0, "leak": 0}
    for result in results:
        counts["pin" if result.pins else "leak"] += result.count
    found = [number_of(count, noun) for noun, count in counts.items() if count]
    return " and ".join(found) or "no pins"


@dataclass(frozen=True, slots=True)
class Problem:
    """Input that could not be read or judged; statement is its beginning, or empty."""

    text: str
    statement: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run of a command, ``pinwatch check`` for example."""

    command: str
    results: Sequence[Result]
    problems: Sequence[Problem] = ()

    @property
    def fails(self) -> bool:
        """Return whether a result counts, rather than being shown only."""
        return any(result.level is Level.ERROR for result in self.results)
