"""Which pins fail a test: all, but those that somebody allowed or knew of.

Owns the marker's meaning, and what a PinwatchTestCase says instead. Does not know when
tests run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import pytest

from pinwatch.errors import SettingError
from pinwatch.testing.plugin.baseline import Baseline
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.plugin.wording import log_line
from pinwatch.testing.recorder import Pin, known
from pinwatch.testing.unittest_case import case_of


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What the markers of a test say, of its class and module too."""

    allow: frozenset[str] = frozenset()
    max_pins: int = 0
    contested: str = "report"

    @classmethod
    def of(cls, item: pytest.Item) -> Self:
        """Raises SettingError; the closest marker's max_pins is the one that counts."""
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
        raise SettingError("The marker pinwatch takes allow=[...] and max_pins=N only.")
    rules = marker.kwargs.get("allow", ())
    if isinstance(rules, str):
        raise SettingError(f"allow is {rules!r}, but must be a list of rules.")
    if rules:
        known(tuple(rules))
    return set(rules)


def _limit(marker: pytest.Mark) -> int:
    limit = marker.kwargs["max_pins"]
    if not isinstance(limit, int) or limit < 0:
        raise SettingError(f"max_pins is {limit!r}, but must be a number from 0 on.")
    return limit


class Judge:
    def __init__(self, options: Options, baseline: Baseline) -> None:
        self.options = options
        self.baseline = baseline

    def judged(
        self, test: str, pins: Iterable[Pin], exceptions: Exceptions
    ) -> list[Record]:
        """Each pin with what it does to the test."""
        return [
            Record(test, self._outcome(pin, test, exceptions), pin, log_line(pin))
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
