"""A finding as reports have it, whether SQL was read or a running proxy saw it.

Owns the fields that SARIF, JUnit and GitHub's annotations share. Does not know which
command found it.
"""

from dataclasses import dataclass
from enum import StrEnum

from pinwatch.pins.alike import alike


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


@dataclass(frozen=True, slots=True)
class Result:
    """A statement that pins, by one rule.

    ``places`` are lines of code, innermost first. ``test`` is the id of a test, and
    ``suppression`` is SARIF's kind of suppression; both may be empty.
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
