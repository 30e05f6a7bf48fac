"""unittest support: a TestCase whose tests fail if they pin."""

import unittest
from typing import Any, ClassVar

from pinwatch.errors import PinwatchError
from pinwatch.testing.background import Proxy
from pinwatch.testing.plugin import wording
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.recorder import known


class PinwatchTestCase(unittest.TestCase):
    """A TestCase with a proxy, ``self.pinwatch``, that runs as long as its class.

    A test that pins fails after its cleanups. ``pinwatch_allow`` names the rules that
    may pin; contested pins fail only with ``pinwatch_contested = "fail"``.
    """

    pinwatch: ClassVar[Proxy]
    pinwatch_target: ClassVar[str | None] = None
    """URL of the PostgreSQL behind the proxy; None starts an embedded PostgreSQL."""
    pinwatch_settings: ClassVar[dict[str, Any]] = {}
    pinwatch_allow: tuple[str, ...] = ()
    pinwatch_contested: str = "report"
    pinwatch_judges: ClassVar[bool] = True
    """True if the class fails its own tests; with pytest --pinwatch the plugin does."""

    @classmethod
    def setUpClass(cls) -> None:
        __tracebackhide__ = True
        super().setUpClass()
        if cls.pinwatch_allow:
            known(tuple(cls.pinwatch_allow))
        proxy = Proxy(cls.pinwatch_target, **cls.pinwatch_settings)
        try:
            cls.pinwatch = cls.enterClassContext(proxy)
        except PinwatchError as error:
            raise error.with_traceback(None) from None

    def run(
        self, result: unittest.TestResult | None = None
    ) -> unittest.TestResult | None:
        # The first cleanup runs last, so it also sees the pins of other cleanups.
        # A skipped class has no proxy.
        if self.pinwatch_judges and hasattr(self, "pinwatch"):
            self.addCleanup(self._pinwatch_judge, len(self.pinwatch.pins))
        return super().run(result)

    def _pinwatch_judge(self, start: int) -> None:
        failing = [
            Record(self.id(), Outcome.FAILED, pin, wording.log_line(pin))
            for pin in self.pinwatch.pins[start:]
            if not (pin.allowed or pin.rule in self.pinwatch_allow)
            and (not pin.contested or self.pinwatch_contested == "fail")
        ]
        if failing:
            self.fail(wording.failure(failing))


def case_of(test: object) -> type[PinwatchTestCase] | None:
    """Return the class of a pytest item if it is a PinwatchTestCase."""
    found = getattr(test, "cls", None)
    is_case = isinstance(found, type) and issubclass(found, PinwatchTestCase)
    return found if is_case else None
