"""The pins and leaks that a running pinwatch saw, grouped by rule and statement.

Owns the groups, their order by harm, and their text. Does not know how they are judged.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from textwrap import shorten
from typing import Any, Final

from pinwatch import __version__
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.reports.result import DOCUMENT_VERSION, Report, Result
from pinwatch.testing.plugin.record import Outcome, Record, outcomes
from pinwatch.testing.plugin.wording import explanation, repeated
from pinwatch.text import duration, number_of, printable

MAX_ROWS: Final = 50
"""Rows of the summary, and pins and leaks that are explained below it."""
MAX_STATEMENT: Final = 100  # characters of a row
PINS: Final = "Pins by rule and statement, longest pinned time first:"
LEAKS_AND_PINS: Final = (
    "Leaks, then pins, by rule and statement, longest pinned time first:"
)
OUTCOMES: Final = (Outcome.FAILED, Outcome.CONTESTED, Outcome.BASELINE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A pin or leak with its outcome, and the seconds of a pin until its session ended.

    A leak has no seconds.
    """

    record: Record
    pinned_seconds: float


@dataclass(frozen=True, slots=True)
class Statement:
    """All pins or leaks with the same rule and digest; there is one at least."""

    rule: str
    digest: str
    seen: Sequence[Seen]

    @property
    def pins(self) -> bool:
        """False for a statement that leaks."""
        return self.rule != HIDDEN_STATE

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
    def harm(self) -> tuple[bool, float, int]:
        """The sort key; a leak is worse than a pin, because it is not in any log."""
        return not self.pins, self.pinned_seconds, len(self.seen)

    def places(self) -> Iterator[list[Record]]:
        """Yield the records of each line of code, and of each state that it leaves."""
        return repeated(one.record for one in self.seen)

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
    """Return leaks, then pins, by rule and statement, longest pinned time first."""
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
    pins = [one for statement in found if statement.pins for one in statement.seen]
    leaks = [one for statement in found if not statement.pins for one in statement.seen]
    return {
        "version": DOCUMENT_VERSION,
        "pinwatch": __version__,
        "outcomes": outcomes((one.record for one in pins), OUTCOMES),
        "leak_outcomes": outcomes((one.record for one in leaks), OUTCOMES),
        "statements": [statement.to_json() for statement in found if statement.pins],
        "pins": [
            one.record.to_json() | {"pinned_seconds": one.pinned_seconds}
            for one in pins
        ],
        "leaks": [one.record.to_json() for one in leaks],
    }


# Text, for people.


def text(found: Sequence[Statement], every: bool) -> Iterator[str]:
    """Yield the lines: a summary, the explanations, and the numbers of pins and leaks.

    What is in the baseline is in the numbers only. Both lists end at MAX_ROWS, unless
    ``every`` is true.
    """
    new = [one for one in found if one.outcome is not Outcome.BASELINE]
    most = None if every else MAX_ROWS
    if new:
        yield from _summary(new, most)
        yield ""
        yield from _explained(new, most)
    counts = [number_of(_count(one for one in found if one.pins), "pin")]
    leaks = _count(one for one in found if not one.pins)
    if leaks:
        counts.append(number_of(leaks, "leak"))
    failing = _count(one for one in new if one.outcome is Outcome.FAILED)
    yield f"{' and '.join(counts)}, {failing} failing."


def _count(found: Iterable[Statement]) -> int:
    return sum(len(one.seen) for one in found)


def _summary(new: Sequence[Statement], most: int | None) -> Iterator[str]:
    yield PINS if all(one.pins for one in new) else LEAKS_AND_PINS
    yield ""
    rows = [("pinned", "times", "sessions", "rule", "statement")]
    rows += map(_row, new[:most])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for pinned, times, sessions, rule, statement in rows:
        numbers = zip((pinned, times, sessions), widths, strict=False)
        right = "  ".join(number.rjust(width) for number, width in numbers)
        yield f"{right}  {rule.ljust(widths[3])}  {statement}".rstrip()
    if most is not None and len(new) > most:
        left_out = number_of(len(new) - most, "more statement")
        yield f"... and {left_out}: --all lists them."


def _row(statement: Statement) -> tuple[str, str, str, str, str]:
    contested = ", contested" if statement.outcome is Outcome.CONTESTED else ""
    return (
        duration(statement.pinned_seconds) if statement.pins else "-",
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
