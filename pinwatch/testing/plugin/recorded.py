"""The pins of one test, for the test itself to look at."""

from pinwatch.testing.background import Proxy
from pinwatch.testing.recorder import Pin


class Recorded:
    """What was pinned since this was made, or was cleared.

    It is for assertions; whether the test fails by its pins, it does not change.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.clear()

    def clear(self) -> None:
        """Leave out what was pinned so far; it is allowed by ``allow`` alone."""
        self._start = len(self.proxy.pins)

    @property
    def pins(self) -> list[Pin]:
        return self.proxy.pins[self._start :]

    @property
    def rules(self) -> list[str]:
        """Of the pins, in their order."""
        return [pin.rule for pin in self.pins]
