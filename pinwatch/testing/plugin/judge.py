"""The outcome of each pin: it fails the test unless it is allowed or known.

Owns the meaning of the marker and of a PinwatchTestCase's attributes. Does not know
when tests run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import pytest

from pinwatch.errors import SettingError
from pinwatch.pins.names import known
from pinwatch.testing.plugin.baseline import Baseline
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.plugin.wording import log_line
from pinwatch.testing.recorder import Pin
from pinwatch.testing.unittest_case import case_of


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The exceptions from the markers of a test, or of the scope of a fixture.

    Those of its class and module are included.
    """

    allow: frozenset[str] = frozenset()
    max_pins: int = 0
    contested: str = "report"

    @classmethod
    def of(cls, item: pytest.Item | pytest.Collector) -> Self:
        """Read the markers; the closest max_pins applies. Raises SettingError."""
        allow: set[str] = set()
        limits: list[int] = []
        for marker in item.iter_markers("pinwatch"):
            allow |= _rules(marker)
            limits += [_limit(marker)] if "max_pins" in marker.kwargs else []
        limit = limits[0] if limits else 0
        case = case_of(item)
        if case is None:
            return cls(frozenset(allow), limit)
        return cls(
            frozenset(allow | {*case.pinwatch_allow}), limit, case.pinwatch_contested
        )


def _rules(marker: pytest.Mark) -> set[str]:
    wrong = set(marker.kwargs) - {"allow", "max_pins"}
    if marker.args or wrong:
        raise SettingError("The marker pinwatch takes only allow=[...] and max_pins=N.")
    rules = marker.kwargs.get("allow", ())
    if isinstance(rules, str):
        raise SettingError(f"allow is {rules!r}, but must be a list of rules.")
    if rules:
        known(tuple(rules))
    return set(rules)


def _limit(marker: pytest.Mark) -> int:
    limit = marker.kwargs["max_pins"]
    if not isinstance(limit, int) or limit < 0:
        raise SettingError(
            f"max_pins is {limit!r}, but must be a whole number of at least 0."
        )
    return limit


class Judge:
    """Decides the outcome of pins by options, baseline and a test's exceptions."""

    def __init__(self, options: Options, baseline: Baseline) -> None:
        self.options = options
        self.baseline = baseline

    def judged(
        self,
        test: str,
        pins: Iterable[Pin],
        exceptions: Exceptions,
        fixture_scope: str = "",
    ) -> list[Record]:
        """Return a record with its outcome for each pin."""
        return [
            Record(
                test,
                self._outcome(pin, test, exceptions),
                pin,
                log_line(pin),
                fixture_scope,
            )
            for pin in pins
        ]

    def _outcome(self, pin: Pin, test: str, exceptions: Exceptions) -> Outcome:
        if pin.allowed or pin.rule in exceptions.allow:
            return Outcome.ALLOWED
        if pin.contested and "fail" not in (
            self.options.contested,
            exceptions.contested,
        ):
            return Outcome.CONTESTED
        if self.options.update_baseline or self.baseline.has(pin, test):
            return Outcome.BASELINE
        return Outcome.FAILED
