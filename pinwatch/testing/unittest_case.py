"""unittest support: a TestCase whose tests fail if they pin, or leak hidden state."""

import unittest
from collections.abc import Sequence
from typing import Any, ClassVar

from pinwatch.errors import PinwatchError
from pinwatch.pins.names import check_rules
from pinwatch.testing.background import Proxy
from pinwatch.testing.found import Found, Leak
from pinwatch.testing.plugin import wording
from pinwatch.testing.plugin.record import Outcome, Record


class PinwatchTestCase(unittest.TestCase):
    """A TestCase with a proxy, ``self.pinwatch``, that runs as long as its class.

    A test that pins fails after its cleanups, and a class that pins in setUpClass or
    tearDownClass is an error after its cleanups. ``pinwatch_allow`` names the rules
    that may pin, or hidden_state; contested pins fail only with
    ``pinwatch_contested = "fail"``, and leaks only with ``pinwatch_leaks = "fail"``.
    """

    pinwatch: ClassVar[Proxy]
    pinwatch_target: ClassVar[str | None] = None
    """URL of the PostgreSQL behind the proxy; None starts an embedded PostgreSQL."""
    pinwatch_settings: ClassVar[dict[str, Any]] = {}
    pinwatch_allow: tuple[str, ...] = ()
    pinwatch_contested: str = "report"
    pinwatch_leaks: str = "report"
    pinwatch_judges: ClassVar[bool] = True
    """True if the class fails its own tests; with pytest --pinwatch the plugin does."""
    _pinwatch_judged: ClassVar[int]
    _pinwatch_of_class: ClassVar[list[Found]]
    """The number of pins and leaks that tests were judged by, and those outside of
    tests."""

    @classmethod
    def setUpClass(cls) -> None:
        __tracebackhide__ = True
        super().setUpClass()
        if cls.pinwatch_allow:
            check_rules(tuple(cls.pinwatch_allow))
        proxy = Proxy(cls.pinwatch_target, **cls.pinwatch_settings)
        try:
            cls.pinwatch = cls.enterClassContext(proxy)
        except PinwatchError as error:
            raise error.with_traceback(None) from None
        cls._pinwatch_judged, cls._pinwatch_of_class = 0, []
        cls.addClassCleanup(cls._pinwatch_judge_class)

    def run(
        self, result: unittest.TestResult | None = None
    ) -> unittest.TestResult | None:
        # The first cleanup runs last, so it also sees the pins of other cleanups.
        # A skipped class has no proxy.
        if self.pinwatch_judges and hasattr(self, "pinwatch"):
            type(self)._pinwatch_keep()
            self.addCleanup(self._pinwatch_judge, len(self.pinwatch.found))
        return super().run(result)

    def _pinwatch_judge(self, start: int) -> None:
        found = self.pinwatch.found
        type(self)._pinwatch_judged = len(found)
        if self.pinwatch.recorder.leaked:
            self.pinwatch.reset_leaks()
        failing = self._pinwatch_failing(self.id(), found[start:])
        if failing:
            self.fail(wording.failure(failing))

    @classmethod
    def _pinwatch_judge_class(cls) -> None:
        if not cls.pinwatch_judges:
            return
        cls._pinwatch_keep()
        failing = cls._pinwatch_failing(cls.__qualname__, cls._pinwatch_of_class)
        if failing:
            whose = f"the database connection of the class {cls.__qualname__}"
            raise cls.failureException(wording.failure(failing, whose=whose))

    @classmethod
    def _pinwatch_keep(cls) -> None:
        """Keep what was found since the latest test for the class."""
        found = cls.pinwatch.found
        cls._pinwatch_of_class += found[cls._pinwatch_judged :]
        cls._pinwatch_judged = len(found)

    @classmethod
    def _pinwatch_failing(cls, name: str, found: Sequence[Found]) -> list[Record]:
        """Return records of what fails a test, or its class, of this name."""
        return [
            Record(name, Outcome.FAILED, one, wording.log_line(one))
            for one in found
            if not (one.allowed or one.rule in cls.pinwatch_allow)
            and cls._pinwatch_fails(one)
        ]

    @classmethod
    def _pinwatch_fails(cls, found: Found) -> bool:
        if isinstance(found, Leak):
            return cls.pinwatch_leaks == "fail"
        return not found.contested or cls.pinwatch_contested == "fail"


def case_of(test: object) -> type[PinwatchTestCase] | None:
    """Return the class of a pytest item if it is a PinwatchTestCase."""
    found = getattr(test, "cls", None)
    is_case = isinstance(found, type) and issubclass(found, PinwatchTestCase)
    return found if is_case else None
