"""The clock of one event loop, and of the proxy that runs on it.

The clock is read once per round of the loop, because a reading of the system's clock
costs more than most other steps of a statement. All data of a round has the same time.
"""

from time import monotonic


class Clock:
    """A monotonic clock that may run faster than the system's.

    Durations that are configured, measured or shown are in seconds of ``now``. In one
    real second, ``scale`` of these pass (the setting ``time_scale``). The time that a
    network needs is not scaled: connecting, logging in and closing use ``real``.
    """

    __slots__ = ("_system_clock", "now", "real", "scale")

    def __init__(self) -> None:
        # Kept here: the compiled build looks a module's names up at each call.
        self._system_clock = monotonic
        self.real = self.now = monotonic()  # when the round began, in seconds
        self.scale = 1.0

    def read(self) -> None:
        """Begin a new round."""
        self.real = self._system_clock()
        self.now = self.real * self.scale

    def run_at(self, scale: float) -> None:
        """Let scale seconds pass in a real second. Call this before any measurement."""
        self.scale = scale
        self.read()

    def real_seconds(self, seconds: float) -> float:
        """Convert a duration for the event loop's timers, which are not scaled."""
        return seconds / self.scale
