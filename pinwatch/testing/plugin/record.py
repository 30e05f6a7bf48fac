"""A pin of a test with its outcome, as reports and other processes receive it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from pinwatch.pins.alike import alike
from pinwatch.reports.result import Level, Place, Result
from pinwatch.testing.plugin.watchlist import Entry
from pinwatch.testing.recorder import Pin


class Outcome(StrEnum):
    """The effect of a pin on its test; only ``failed`` fails the test.

    ``reported`` is the outcome of a pin that is not in the watchlist, in a run that has
    a watchlist but not ``--pinwatch``.
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
    """A pin, the id of its test, and its outcome.

    ``log`` is the line that RDS Proxy logs for the first pin of a session. If
    ``fixture_scope`` is not empty, ``test`` is the id of a fixture with that scope.
    ``production`` is the watchlist's entry with this digest; None if it has none.
    """

    test: str
    outcome: Outcome
    pin: Pin
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
        return self.pin.rule, alike(self.pin.digest)

    @property
    def seen(self) -> str:
        """A sentence on production; empty if the watchlist does not have the digest."""
        if self.production is None:
            return ""
        return f"Seen in production: {self.production.seen}."

    def result(self, count: int = 1) -> Result:
        """Return the pin as reports for other programs have it."""
        pin = self.pin
        return Result(
            rule=pin.rule,
            level=LEVELS[self.outcome],
            statement=pin.statement,
            digest=pin.digest,
            reason=f"{pin.reason} {self.seen}".rstrip(),
            advice=pin.advice,
            contested=pin.contested,
            places=tuple(
                Place(frame.file, frame.line, frame.function)
                for frame in reversed(pin.frames)
            ),
            test=self.test,
            suppression=SUPPRESSED.get(self.outcome, ""),
            count=count,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the pin's document with the other fields added."""
        entry = self.production
        judged = {
            "test": self.test,
            "fixture_scope": self.fixture_scope,
            "outcome": str(self.outcome),
            "production": None if entry is None else entry.to_json(),
            "log": self.log,
        }
        return judged | self.pin.to_json()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        pin, outcome = Pin.from_json(document), Outcome(document["outcome"])
        entry = document["production"]
        return cls(
            document["test"],
            outcome,
            pin,
            document["log"],
            document["fixture_scope"],
            None if entry is None else Entry.from_json(entry),
        )
