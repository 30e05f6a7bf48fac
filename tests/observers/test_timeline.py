"""The timeline keeps the last hour, in bounded memory."""

import asyncio
import gc
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.counters import LATENCIES
from pinwatch.observers.timeline import (
    MAX_BYTES,
    MAX_MARKS,
    MAX_TEXT,
    Measured,
    Sample,
    quantile,
)
from pinwatch.pins.rules import CODES
from tests.figures import FakeProxy
from tests.harness import PATIENCE
from tests.pinned import PIN

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def fine(proxy: FakeProxy) -> list[Sample]:
    return list(proxy.timeline.resolutions[0].samples)


def coarse(proxy: FakeProxy) -> list[Sample]:
    return list(proxy.timeline.resolutions[1].samples)


@pytest.fixture
def proxy(clock: Clock) -> FakeProxy:
    return FakeProxy(clock, START)


def test_a_sample_a_second_and_one_in_ten(proxy: FakeProxy) -> None:
    proxy.live(31)
    assert [sample.at.second for sample in fine(proxy)] == list(range(2, 32))
    assert [sample.at.second for sample in coarse(proxy)] == [10, 20, 30]


def test_the_last_five_minutes_and_the_last_hour(proxy: FakeProxy) -> None:
    proxy.live(2 * 3_600)
    assert (len(fine(proxy)), len(coarse(proxy))) == (300, 360)
    assert fine(proxy)[-1].at - fine(proxy)[0].at == timedelta(seconds=299)
    assert coarse(proxy)[-1].at - coarse(proxy)[0].at == timedelta(seconds=3_590)


def test_a_peak_between_two_samples_is_kept(proxy: FakeProxy) -> None:
    proxy.live(12)
    proxy.sessions = [object()] * 5
    proxy.pool.open_count, proxy.pool.waiting = 4, [object()] * 3
    proxy.pool.pinned = {"set": 2}
    proxy.live(1)
    proxy.sessions, proxy.pool.open_count, proxy.pool.waiting = [], 1, []
    proxy.pool.pinned = {"listen": 1}
    proxy.live(7)
    peaks = coarse(proxy)[-1].peaks
    assert (peaks.clients, peaks.connections, peaks.waiting) == (5, 4, 3)
    assert peaks.pinned == {"set": 2, "listen": 1}
    assert fine(proxy)[-1].peaks.pinned == {"listen": 1}


def test_pins_are_counted_where_they_happened(proxy: FakeProxy) -> None:
    proxy.live(11)
    for first in (True, True, False):  # RDS Proxy does not count a later pin
        proxy.timeline(replace(PIN, first=first))
    proxy.live(10)
    assert [sample.pins for sample in fine(proxy)[-10:]] == [2] + 9 * [0]
    assert [sample.pins for sample in coarse(proxy)] == [0, 2]


def test_statements_are_per_real_second(proxy: FakeProxy) -> None:
    proxy.live(10)
    proxy.endpoint.plain.statements += 30
    proxy.endpoint.encrypted.statements += 20
    proxy.live(10)
    assert fine(proxy)[-10].statements_per_second == 50
    assert coarse(proxy)[-1].statements_per_second == 5


def test_waits_are_those_of_the_sample(proxy: FakeProxy) -> None:
    proxy.live(10)
    for _ in range(98):
        proxy.endpoint.borrows_at_once += 1
    for _ in range(2):
        proxy.endpoint.borrow_latency.observe(0.3)
    proxy.live(10)
    proxy.live(10)
    busy, idle = coarse(proxy)[-2:]
    assert busy.wait_p50 == 0
    assert busy.wait_p99 == pytest.approx((0.25 + 0.5) / 2)
    assert (idle.wait_p50, idle.wait_p99) == (None, None)


def test_quantiles() -> None:
    nothing = [0] * (len(LATENCIES) + 2)
    assert quantile(nothing, 0.5) is None
    first = [0, 4, *nothing[2:]]
    assert quantile(first, 0.5) == LATENCIES[0] / 2
    assert quantile([*nothing[:-1], 1], 0.99) == LATENCIES[-1]


def test_a_wall_clock_that_is_set_back(proxy: FakeProxy) -> None:
    """Times increase, as a chart needs; the present replaces what seems later."""
    proxy.live(60)
    proxy.at -= timedelta(seconds=30)
    proxy.live(5)
    times = [sample.at for sample in fine(proxy)]
    assert times == sorted(set(times))
    assert times[-1] == proxy.at


def test_marks(proxy: FakeProxy) -> None:
    begin = events.FaultBegan("slow", "latency", "2 s before each borrow")
    proxy.timeline(begin)
    proxy.timeline(events.HealthChanged("a", "UNAVAILABLE", "UNREACHABLE", "No route."))
    proxy.live(3)
    *_, lasting = proxy.timeline.marks
    assert (lasting.subject, lasting.began, lasting.ended) == ("a", START, None)
    proxy.timeline(events.HealthChanged("a", "AVAILABLE", None, None))
    proxy.timeline(events.FailedOver("a", "b", 2.0))
    proxy.live(1)
    proxy.timeline(events.FaultEnded("slow", 1))
    spans = [
        (mark.kind, (mark.began - START).seconds, mark.ended and mark.ended - START)
        for mark in proxy.timeline.marks
    ]
    second = timedelta(seconds=1)
    assert spans == [
        ("fault", 0, 4 * second),
        ("unavailable", 0, 3 * second),
        ("failover", 1, 3 * second),
    ]
    assert [mark.text for mark in proxy.timeline.marks] == [
        "The fault slow began: latency, 2 s before each borrow.",
        "The target a is UNAVAILABLE (UNREACHABLE): No route.",
        "Failover: writer a -> b, no writer for 2.0 s.",
    ]


def test_another_reason_is_another_mark(proxy: FakeProxy) -> None:
    for reason in ("UNREACHABLE", "AUTH_FAILURE"):
        proxy.timeline(events.HealthChanged("a", "UNAVAILABLE", reason, "No."))
        proxy.live(1)
    first, second = proxy.timeline.marks
    assert (first.ended, second.ended) == (second.began, None)
    assert proxy.timeline.unavailable_since("a") == first.began
    proxy.timeline(events.HealthChanged("a", "AVAILABLE", None, None))
    assert proxy.timeline.unavailable_since("a") is None


class Flawed(FakeProxy):
    """A proxy whose figures cannot be read at first."""

    reads = 0

    @property
    def sessions(self) -> list[object]:
        self.reads += 1
        if self.reads == 1:
            raise RuntimeError("No figures.")
        self.was_read.set()
        return []

    @sessions.setter
    def sessions(self, sessions: list[object]) -> None:
        self.was_read = asyncio.Event()


async def test_a_failure_is_logged_and_the_next_sample_is_taken(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = Flawed(clock, START)
    task = asyncio.get_running_loop().create_task(
        proxy.timeline.run(cast(Measured, proxy))
    )
    async with asyncio.timeout(PATIENCE):
        await proxy.was_read.wait()
    task.cancel()
    assert "A sample of the last hour could not be taken." in caplog.text
    assert "No figures." in caplog.text


def test_its_memory_is_bounded(clock: Clock) -> None:
    tracemalloc.start()
    try:
        proxy = FakeProxy(clock, START)
        for number in range(3 * MAX_MARKS):
            text = str(number) + MAX_TEXT * "\N{PUSHPIN}"
            failed = events.HealthChanged(text[:64], "UNAVAILABLE", "UNREACHABLE", text)
            proxy.timeline(failed)
        proxy.pool.pinned = {rule: 1_000 for rule in CODES}
        proxy.sessions = [object()] * 1_000
        for second in range(3_700):
            proxy.endpoint.plain.statements += second
            proxy.endpoint.borrow_latency.observe(second / 100)
            proxy.live(1)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (len(fine(proxy)), len(coarse(proxy))) == (300, 360)
    assert len(proxy.timeline.marks) == MAX_MARKS
    assert MAX_BYTES / 4 < used < MAX_BYTES
