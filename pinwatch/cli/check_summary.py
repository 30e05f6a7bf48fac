"""The pins that a running pinwatch saw, grouped by rule and statement.

Owns the groups, their order by harm, and their text. Does not know how pins are judged.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from textwrap import shorten
from typing import Any, Final

from pinwatch import __version__
from pinwatch.reports.result import DOCUMENT_VERSION, Report, Result
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.plugin.wording import at_one_place, explanation
from pinwatch.text import duration, number_of, printable

MAX_ROWS: Final = 50
"""Rows of the summary, and pins that are explained below it."""
MAX_STATEMENT: Final = 100  # characters of a row
OUTCOMES: Final = (Outcome.FAILED, Outcome.CONTESTED, Outcome.BASELINE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A pin with its outcome, and the seconds that its session was pinned since."""

    record: Record
    pinned_seconds: float


@dataclass(frozen=True, slots=True)
class Statement:
    """All pins with the same rule and digest; there is one at least."""

    rule: str
    digest: str
    seen: Sequence[Seen]

    @property
    def outcome(self) -> Outcome:
        return self.seen[0].record.outcome

    @property
    def sessions(self) -> int:
        return len({one.record.found.client for one in self.seen})

    @property
    def pinned_seconds(self) -> float:
        """The pinned time, added over sessions; a session's pins end together."""
        longest: dict[int, float] = {}
        for one in self.seen:
            client = one.record.found.client
            longest[client] = max(longest.get(client, 0.0), one.pinned_seconds)
        return sum(longest.values())

    @property
    def harm(self) -> tuple[float, int]:
        return self.pinned_seconds, len(self.seen)

    def places(self) -> Iterator[list[Record]]:
        """Yield the records of each line of code."""
        return at_one_place(one.record for one in self.seen)

    def results(self) -> Iterator[Result]:
        """Yield one result for each line of code."""
        for same in self.places():
            yield same[0].result(count=len(same))

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "digest": self.digest,
            "outcome": str(self.outcome),
            "count": len(self.seen),
            "sessions": self.sessions,
            "pinned_seconds": self.pinned_seconds,
            "advice": self.seen[0].record.found.advice,
        }


def statements(seen: Iterable[Seen]) -> list[Statement]:
    """Return the pins by rule and statement, longest pinned time first."""
    groups: dict[tuple[str, str], list[Seen]] = {}
    for one in seen:
        groups.setdefault(one.record.same_code, []).append(one)
    found = [Statement(*code, group) for code, group in groups.items()]
    return sorted(found, key=attrgetter("harm"), reverse=True)


def report(found: Iterable[Statement]) -> Report:
    results = [result for statement in found for result in statement.results()]
    return Report("pinwatch check", results)


def document(found: Sequence[Statement]) -> dict[str, Any]:
    """Return all of it as a JSON document."""
    seen = [one for statement in found for one in statement.seen]
    outcomes = [one.record.outcome for one in seen]
    return {
        "version": DOCUMENT_VERSION,
        "pinwatch": __version__,
        "outcomes": {str(one): outcomes.count(one) for one in OUTCOMES},
        "statements": [statement.to_json() for statement in found],
        "pins": [
            one.record.to_json() | {"pinned_seconds": one.pinned_seconds}
            for one in seen
        ],
    }


# Text, for people.


def text(found: Sequence[Statement], every: bool) -> Iterator[str]:
    """Yield the lines: a summary, the pins explained, and the number of pins.

    Pins in the baseline are in the number only. Both lists end at MAX_ROWS, unless
    ``every`` is true.
    """
    new = [one for one in found if one.outcome is not Outcome.BASELINE]
    most = None if every else MAX_ROWS
    if new:
        yield from _summary(new, most)
        yield ""
        yield from _explained(new, most)
    pins = sum(len(one.seen) for one in found)
    failing = sum(len(one.seen) for one in new if one.outcome is Outcome.FAILED)
    yield f"{number_of(pins, 'pin')}, {failing} failing."


def _summary(new: Sequence[Statement], most: int | None) -> Iterator[str]:
    yield "Pins by rule and statement, longest pinned time first:"
    yield ""
    rows = [("pinned", "pins", "sessions", "rule", "statement")]
    rows += map(_row, new[:most])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for pinned, pins, sessions, rule, statement in rows:
        numbers = zip((pinned, pins, sessions), widths, strict=False)
        right = "  ".join(number.rjust(width) for number, width in numbers)
        yield f"{right}  {rule.ljust(widths[3])}  {statement}".rstrip()
    if most is not None and len(new) > most:
        left_out = number_of(len(new) - most, "more statement")
        yield f"... and {left_out}: --all lists them."


def _row(statement: Statement) -> tuple[str, str, str, str, str]:
    contested = ", contested" if statement.outcome is Outcome.CONTESTED else ""
    return (
        duration(statement.pinned_seconds),
        str(len(statement.seen)),
        str(statement.sessions),
        f"{statement.rule}{contested}",
        shorten(printable(statement.digest), MAX_STATEMENT, placeholder=" ..."),
    )


def _explained(new: Sequence[Statement], most: int | None) -> Iterator[str]:
    """Yield the explanation of each line of code, those of one statement together."""
    places = [same for statement in new for same in statement.places()]
    for same in places[:most]:
        yield explanation(same)
        yield ""
    if most is not None and len(places) > most:
        yield f"... and {len(places) - most} more: --all explains them."
        yield ""
