"""A proxy whose figures and clocks a test sets, for the history of the last hour."""

from datetime import datetime, timedelta
from typing import cast

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters
from pinwatch.observers.timeline import Measured, Timeline


def still_clock() -> Clock:
    """Return a clock that only the test moves; sums of whole seconds are exact."""
    clock = Clock()
    clock.real = clock.now = 1_000.0
    return clock


class FakePool:
    """A pool with these numbers."""

    def __init__(self) -> None:
        self.open_count = 0
        self.waiting: list[object] = []
        self.pinned: dict[str, int] = {}

    def usage(self) -> events.PoolUsage:
        return events.PoolUsage(10, self.open_count, self.pinned)


class FakeProxy:
    """A proxy with these numbers, its clocks, and its timeline."""

    def __init__(self, clock: Clock, start: datetime) -> None:
        self.at = start
        self.pool = FakePool()
        self.pools = [self.pool]
        self.sessions: list[object] = []
        self.endpoint = EndpointCounters()
        self.counters = {"default": self.endpoint}
        self.clock = clock
        self.timeline = Timeline(clock, self.now)

    def now(self) -> datetime:
        return self.at

    def back(self, seconds: int) -> None:
        """Set the wall clock back, before the first sample."""
        self.at -= timedelta(seconds=seconds)

    def live(self, seconds: int) -> None:
        """Let seconds pass, with a sample at each."""
        for _ in range(seconds):
            self.at += timedelta(seconds=1)
            self.clock.real += 1
            self.clock.now += 1
            self.timeline.tick(cast(Measured, self))
