"""The last hour in figures, with marks for failovers, faults and unavailable targets.

Owns the samples, one a second for 5 minutes and one in 10 seconds for an hour, and the
marks. All of it takes at most MAX_BYTES. Knows neither JSON nor HTTP.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import time
from typing import Final, Literal, Protocol, Self

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.counters import LATENCIES, EndpointCounters
from pinwatch.observers.log import describe
from pinwatch.pool.pool import Pool
from pinwatch.relay.client_session import ClientSession
from pinwatch.relay.database_connection import DatabaseConnection

log = logging.getLogger("pinwatch")

RESOLUTIONS: Final = ((1, 300), (10, 3_600))
"""Seconds between two samples, and seconds for which samples are kept."""
MAX_MARKS: Final = 100
MAX_TEXT: Final = 300  # characters of a mark's text
MAX_BYTES: Final = 1_048_576
"""Bytes of all samples and marks, if every rule pins and every text is the longest."""

Counts = Sequence[int]
NO_WAIT: Final = 0.0
BOUNDS: Final = (NO_WAIT, *LATENCIES)
"""Upper bounds of borrow waits in seconds; the first one counts borrows at once."""


class Measured(Protocol):
    """The proxy."""

    @property
    def sessions(self) -> Collection[ClientSession]: ...

    @property
    def counters(self) -> Mapping[str, EndpointCounters]: ...

    @property
    def pools(self) -> Collection[Pool[DatabaseConnection]]: ...

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the proxy started; waits are borrows by the bounds of BOUNDS."""

    real: float  # real seconds of the clock
    pins: int
    statements: int
    waits: Counts


@dataclass(slots=True)
class Peaks:
    """The highest numbers within a sample."""

    clients: int = 0
    connections: int = 0
    waiting: int = 0
    pinned: dict[str, int] = field(default_factory=dict)
    """Connections by the rule that pinned their session."""

    @classmethod
    def of(cls, proxy: Measured) -> Self:
        """Return the present numbers; the cost grows with the connections."""
        pools = proxy.pools
        pinned: Counter[str] = Counter()
        for pool in pools:
            pinned.update(pool.usage().pinned)
        return cls(
            len(proxy.sessions),
            sum(one.open_count for one in pools),
            sum(len(one.waiting) for one in pools),
            pinned,
        )

    def take(self, other: "Peaks") -> None:
        self.clients = max(self.clients, other.clients)
        self.connections = max(self.connections, other.connections)
        self.waiting = max(self.waiting, other.waiting)
        for rule, count in other.pinned.items():
            self.pinned[rule] = max(self.pinned.get(rule, 0), count)


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of the seconds that end at ``at``.

    The numbers in ``peaks`` are the highest ones. ``pins`` counts sessions that pinned.
    The waits are quantiles in seconds of the clock, None without a borrow.
    """

    at: datetime
    peaks: Peaks
    pins: int
    statements_per_second: float
    wait_p50: float | None
    wait_p99: float | None


@dataclass(slots=True, eq=False)
class Mark:
    """A failover, a fault or an unavailable target; ended is None while it lasts.

    A target that becomes unavailable for another reason has another mark.
    ``text`` is the line of the log at its beginning.
    """

    kind: Literal["unavailable", "fault", "failover"]
    subject: str
    text: str
    began: datetime
    ended: datetime | None = None


class Resolution:
    """The samples of one resolution, the oldest first."""

    def __init__(self, seconds: int, span: int) -> None:
        self.seconds = seconds
        self.span = span
        self.samples: deque[Sample] = deque(maxlen=span // seconds)
        self._peaks = Peaks()
        self._before: Totals | None = None
        self._slot = 0

    def take(self, present: Peaks, totals: Totals, at: datetime) -> None:
        """Note the figures, and complete a sample when its seconds have passed."""
        self._peaks.take(present)
        slot = round(at.timestamp()) // self.seconds
        if self._before is not None and slot == self._slot:
            return
        if self._before is not None:
            self._append(_sample(at, self._peaks, self._before, totals))
        self._slot, self._before, self._peaks = slot, totals, Peaks()

    def pins(self, total: int) -> int:
        """Return the pins of all samples, and of the present one by the total."""
        before = 0 if self._before is None else self._before.pins
        return total - before + sum(sample.pins for sample in self.samples)

    def _append(self, sample: Sample) -> None:
        """Append a sample. If the wall clock was set back, later ones are dropped."""
        while self.samples and self.samples[-1].at >= sample.at:
            self.samples.pop()
        self.samples.append(sample)


class Timeline:
    """The samples and marks of one proxy; ``run`` or ``tick`` takes the samples."""

    def __init__(
        self, clock: Clock, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.clock = clock
        self.now = now
        self.resolutions = [Resolution(*resolution) for resolution in RESOLUTIONS]
        self.marks: deque[Mark] = deque(maxlen=MAX_MARKS)
        self._pins = 0
        self._unavailable: dict[str, datetime] = {}
        """Since when targets are unavailable, for whatever reasons."""

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SessionPinned(first=True):
                self._pins += 1
            case events.HealthChanged(target, state):
                self._end("unavailable", target)
                if state == "AVAILABLE":
                    self._unavailable.pop(target, None)
                else:
                    mark = self._begin("unavailable", target, event)
                    self._unavailable.setdefault(target, mark.began)
            case events.FaultBegan(fault):
                self._begin("fault", fault, event)
            case events.FaultEnded(fault):
                self._end("fault", fault)
            case events.FailedOver(after=after, seconds=seconds):
                mark = self._begin("failover", after, event)
                mark.ended = mark.began
                mark.began -= timedelta(seconds=self.clock.real_seconds(seconds))

    async def run(self, proxy: Measured) -> None:
        """Take a sample at each whole second, until cancelled."""
        while True:
            await asyncio.sleep(1 - time() % 1)
            try:
                self.tick(proxy)
            except Exception:
                log.exception("A sample of the last hour could not be taken.")

    def tick(self, proxy: Measured) -> None:
        """Take the figures of the proxy; the cost grows with its connections."""
        at, totals = self.now(), _totals(proxy, self.clock.real, self._pins)
        present = Peaks.of(proxy)
        for resolution in self.resolutions:
            resolution.take(present, totals, at)

    def latest(self) -> datetime | None:
        """Return the time of the latest sample."""
        samples = self.resolutions[0].samples
        return samples[-1].at if samples else None

    def pins(self) -> int:
        """Return the number of sessions that pinned in the last hour."""
        return self.resolutions[-1].pins(self._pins)

    def unavailable_since(self, target: str) -> datetime | None:
        """Return the time since when a target is unavailable; None if it is not."""
        return self._unavailable.get(target)

    def _begin(
        self,
        kind: Literal["unavailable", "fault", "failover"],
        subject: str,
        event: events.Event,
    ) -> Mark:
        text = describe(event)[1][:MAX_TEXT]
        mark = Mark(kind, subject, text, self.now())
        self.marks.append(mark)
        return mark

    def _end(self, kind: str, subject: str) -> None:
        for mark in self.marks:
            if (mark.kind, mark.subject, mark.ended) == (kind, subject, None):
                mark.ended = self.now()


def quantile(counts: Counts, share: float) -> float | None:
    """Return the wait below which this share of the borrows is, None without any.

    It is interpolated within a bucket, as Prometheus's ``histogram_quantile`` does. A
    wait above all bounds counts as the highest bound.
    """
    left = share * sum(counts)
    if not left:
        return None
    lower = NO_WAIT
    for upper, count in zip(BOUNDS, counts, strict=False):
        if left <= count:
            return lower + (upper - lower) * left / count
        left -= count
        lower = upper
    return lower


def _totals(proxy: Measured, real: float, pins: int) -> Totals:
    statements, waits = 0, [0] * (len(BOUNDS) + 1)
    for counters in proxy.counters.values():
        statements += counters.plain.statements + counters.encrypted.statements
        waited = counters.borrow_latency.buckets().counts
        for bucket, count in enumerate([counters.borrows_at_once, *waited]):
            waits[bucket] += count
    return Totals(real, pins, statements, waits)


def _sample(at: datetime, peaks: Peaks, before: Totals, now: Totals) -> Sample:
    waits = [new - old for new, old in zip(now.waits, before.waits, strict=True)]
    seconds = now.real - before.real
    statements = now.statements - before.statements
    return Sample(
        at,
        peaks,
        now.pins - before.pins,
        statements / seconds if seconds > 0 else 0.0,
        quantile(waits, 0.5),
        quantile(waits, 0.99),
    )
