"""A pin or leak of a test with its outcome, as reports and other processes get it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from pinwatch.pins.alike import alike
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.reports.result import Level, Place, Result
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.plugin.watchlist import Entry


class Outcome(StrEnum):
    """The effect of a pin or leak on its test; only ``failed`` fails the test.

    ``reported`` is the outcome of a leak without ``--pinwatch-leaks=fail``, and of a
    pin that is not in the watchlist, in a run that has a watchlist but not
    ``--pinwatch``.
    """

    FAILED = "failed"
    REPORTED = "reported"
    CONTESTED = "contested"
    BASELINE = "baseline"
    ALLOWED = "allowed"


LEVELS: Final = {
    Outcome.FAILED: Level.ERROR,
    Outcome.REPORTED: Level.WARNING,
    Outcome.CONTESTED: Level.WARNING,
    Outcome.BASELINE: Level.NOTE,
    Outcome.ALLOWED: Level.NOTE,
}
SUPPRESSED: Final = {Outcome.BASELINE: "external", Outcome.ALLOWED: "inSource"}


@dataclass(frozen=True, slots=True)
class Record:
    """A pin or a leak, the id of its test, and its outcome.

    ``log`` is the line that RDS Proxy logs for the first pin of a session, and empty
    for a leak, for which it logs nothing. If
    ``fixture_scope`` is not empty, ``test`` is the id of a fixture with that scope.
    ``production`` is the watchlist's entry with this digest; None if it has none.
    """

    test: str
    outcome: Outcome
    found: Found
    log: str
    fixture_scope: str = ""
    production: Entry | None = None

    def allowed(self) -> Self:
        """Return the record as allowed if it would have failed the test."""
        failed = self.outcome is Outcome.FAILED
        return replace(self, outcome=Outcome.ALLOWED) if failed else self

    @property
    def same_code(self) -> tuple[str, str]:
        """Rule and digest, equal in each run of the same code."""
        return self.found.rule, alike(self.found.digest)

    @property
    def stayed(self) -> tuple[str, str]:
        """Kind and name of the state that a leak left; empty for a pin."""
        found = self.found
        return (found.kind, found.name) if isinstance(found, Leak) else ("", "")

    @property
    def is_limited(self) -> bool:
        """True if max_pins applies."""
        return self.production is None and isinstance(self.found, Pin)

    @property
    def seen(self) -> str:
        """A sentence on production; empty if the watchlist does not have the digest."""
        if self.production is None:
            return ""
        return f"Seen in production: {self.production.seen}."

    def result(self, count: int = 1) -> Result:
        """Return the record as reports for other programs have it."""
        found = self.found
        return Result(
            rule=found.rule,
            level=LEVELS[self.outcome],
            statement=found.statement,
            digest=found.digest,
            reason=f"{found.reason} {self.seen}".rstrip(),
            advice=found.advice,
            contested=found.contested,
            places=tuple(
                Place(frame.file, frame.line, frame.function)
                for frame in reversed(found.frames)
            ),
            test=self.test,
            suppression=SUPPRESSED.get(self.outcome, ""),
            count=count,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document of the pin or leak with the other fields added."""
        entry = self.production
        judged = {
            "test": self.test,
            "fixture_scope": self.fixture_scope,
            "outcome": str(self.outcome),
            "production": None if entry is None else entry.to_json(),
            "log": self.log,
        }
        return judged | self.found.to_json()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        kind = Leak if document["rule"] == HIDDEN_STATE else Pin
        entry = document["production"]
        return cls(
            document["test"],
            Outcome(document["outcome"]),
            kind.from_json(document),
            document["log"],
            document["fixture_scope"],
            None if entry is None else Entry.from_json(entry),
        )


def outcomes(
    records: Iterable[Record], among: Iterable[Outcome] = Outcome
) -> dict[str, int]:
    """Return the number of records by outcome, for each of these outcomes."""
    found = Counter(record.outcome for record in records)
    return {str(outcome): found[outcome] for outcome in among}
