"""The outcome of each pin and leak of a test.

A pin fails the test unless it is allowed or known; one whose digest is in the watchlist
fails the test even if it is known or contested. A leak fails it with
--pinwatch-leaks=fail. Owns the meaning of the marker and of a PinwatchTestCase's
attributes. Does not know when tests run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import pytest

from pinwatch.errors import SettingError
from pinwatch.pins.names import check_rules
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.plugin.baseline import Baseline
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.plugin.watchlist import Watchlist
from pinwatch.testing.plugin.wording import log_line
from pinwatch.testing.unittest_case import case_of


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The exceptions from the markers of a test, or of the scope of a fixture.

    Those of its class and module are included.
    """

    allow: frozenset[str] = frozenset()
    max_pins: int = 0
    contested: str = "report"
    leaks: str = "report"
    is_case: bool = False
    """True for a PinwatchTestCase, whose pins fail without --pinwatch, too."""

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
            frozenset(allow | {*case.pinwatch_allow}),
            limit,
            case.pinwatch_contested,
            case.pinwatch_leaks,
            is_case=True,
        )


def _rules(marker: pytest.Mark) -> set[str]:
    wrong = set(marker.kwargs) - {"allow", "max_pins"}
    if marker.args or wrong:
        raise SettingError("The marker pinwatch takes only allow=[...] and max_pins=N.")
    rules = marker.kwargs.get("allow", ())
    if isinstance(rules, str):
        raise SettingError(f"allow is {rules!r}, but must be a list of rules.")
    if rules:
        check_rules(tuple(rules))
    return set(rules)


def _limit(marker: pytest.Mark) -> int:
    limit = marker.kwargs["max_pins"]
    if not isinstance(limit, int) or limit < 0:
        raise SettingError(
            f"max_pins is {limit!r}, but must be a whole number of at least 0."
        )
    return limit


class Judge:
    """Decides outcomes by options, files and a test's exceptions."""

    def __init__(
        self, options: Options, baseline: Baseline, watchlist: Watchlist
    ) -> None:
        self.options = options
        self.baseline = baseline
        self.watchlist = watchlist

    def judged(
        self,
        test: str,
        found: Iterable[Found],
        exceptions: Exceptions,
        fixture_scope: str = "",
    ) -> list[Record]:
        """Return a record with its outcome for each pin and leak.

        ``max_pins`` applies neither to leaks nor to pins in the watchlist.
        """
        records = [self._record(one, test, exceptions, fixture_scope) for one in found]
        others = [one for one in failing(records) if one.is_limited]
        if len(others) > exceptions.max_pins:
            return records
        return [one.allowed() if one.is_limited else one for one in records]

    def _record(
        self, found: Found, test: str, exceptions: Exceptions, fixture_scope: str
    ) -> Record:
        if isinstance(found, Leak):
            outcome = self._outcome_of_leak(found, test, exceptions)
            return Record(test, outcome, found, log_line(found), fixture_scope)
        entry = self.watchlist.find(found)
        return Record(
            test,
            self._outcome(found, test, exceptions, entry is not None),
            found,
            log_line(found),
            fixture_scope,
            production=entry,
        )

    def _outcome_of_leak(
        self, leak: Leak, test: str, exceptions: Exceptions
    ) -> Outcome:
        if leak.allowed or leak.rule in exceptions.allow:
            return Outcome.ALLOWED
        if self.options.update_baseline or self.baseline.has(leak, test):
            return Outcome.BASELINE
        fails = "fail" in (self.options.leaks, exceptions.leaks)
        return Outcome.FAILED if fails else Outcome.REPORTED

    def _outcome(
        self, pin: Pin, test: str, exceptions: Exceptions, is_listed: bool
    ) -> Outcome:
        if pin.allowed or pin.rule in exceptions.allow:
            return Outcome.ALLOWED
        if is_listed:
            return Outcome.FAILED
        if pin.contested and "fail" not in (
            self.options.contested,
            exceptions.contested,
        ):
            return Outcome.CONTESTED
        if self.options.update_baseline or self.baseline.has(pin, test):
            return Outcome.BASELINE
        every = self.options.on or exceptions.is_case
        return Outcome.FAILED if every else Outcome.REPORTED


def failing(records: Iterable[Record]) -> list[Record]:
    """Return the records that fail their test."""
    return [one for one in records if one.outcome is Outcome.FAILED]
