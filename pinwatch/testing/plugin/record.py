"""A pin of a test, judged: what reports, baselines and other processes are given."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from pinwatch.testing.origin import Frame
from pinwatch.testing.recorder import Pin


class Outcome(StrEnum):
    """What a pin did to its test; only the first fails it."""

    FAILED = "failed"
    CONTESTED = "contested"
    BASELINE = "baseline"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Record:
    """frames are the application's, outermost first; log is RDS Proxy's own line, which
    it writes of the first pin of a session."""

    test: str
    outcome: Outcome
    rule: str
    digest: str
    sql: str
    statement: str
    trigger: tuple[int, int]
    contested: str
    advice: str
    reason: str
    log: str
    first: bool
    frames: tuple[Frame, ...]
    user: str
    database: str
    application_name: str

    @classmethod
    def of(cls, pin: Pin, test: str, outcome: Outcome, log: str) -> Self:
        event = pin.event
        return cls(
            test,
            outcome,
            event.rule,
            event.digest,
            event.sql,
            event.statement,
            event.trigger,
            event.contested,
            event.advice,
            event.reason,
            log,
            event.first,
            pin.frames,
            event.user,
            event.database,
            event.application_name,
        )

    @property
    def frame(self) -> Frame | None:
        return self.frames[-1] if self.frames else None

    @property
    def located(self) -> bool:
        """Whether the file is known; a tag may tell of the function alone."""
        return self.frame is not None and bool(self.frame.file)

    def allowed(self) -> Self:
        """The same, where its test may have it after all."""
        failed = self.outcome is Outcome.FAILED
        return replace(self, outcome=Outcome.ALLOWED) if failed else self

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"outcome": str(self.outcome)}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        return cls(
            **told
            | {
                "outcome": Outcome(told["outcome"]),
                "trigger": tuple(told["trigger"]),
                "frames": tuple(Frame(**frame) for frame in told["frames"]),
            }
        )
