"""/api/history, of what real clients did; the clocks are the test's."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from pinwatch.observers.timeline import Timeline
from tests.figures import still_clock
from tests.live.conftest import Serve
from tests.web.conftest import Watched, watched

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


class Driven:
    """A watched proxy whose timeline has clocks that the test drives."""

    def __init__(self, start: Callable[[Timeline], Watched]) -> None:
        self.at = START
        self.clock = still_clock()
        self.watched = start(Timeline(self.clock, lambda: self.at))

    def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.at += timedelta(seconds=1)
            self.clock.real += 1
            self.watched.tick()

    def get(self, **query: str) -> Any:
        return self.watched.get(f"/api/history?{urlencode(query)}")


@pytest.fixture
def driven(serve: Serve) -> Any:
    with ExitStack() as stack:
        yield Driven(lambda line: watched(serve(2), stack, timeline=line))


def test_nothing_yet(driven: Driven) -> None:
    history = driven.get()
    assert [one["at"] for one in history["resolutions"]] == [[], []]
    spans = [(one["seconds"], one["span"]) for one in history["resolutions"]]
    assert spans == [(1, 300), (10, 3_600)]
    assert history["marks"] == []


def test_clients_pins_and_statements(driven: Driven) -> None:
    client = driven.watched()
    client.query("SELECT 1")
    driven.live(10)
    client.query("SET a.b = 1")
    client.query("SELECT 2")
    driven.live(10)
    fine, coarse = driven.get()["resolutions"]
    assert coarse["at"] == ["2026-01-02T03:04:10Z", "2026-01-02T03:04:20Z"]
    assert (coarse["clients"], coarse["connections"]) == ([1, 1], [1, 1])
    assert coarse["pinned"] == {"set": [0, 1]}
    assert (coarse["pins"], coarse["waiting"]) == ([0, 1], [0, 0])
    assert coarse["statements_per_second"] == [0, 0.2]
    assert coarse["borrow_wait_p50"] == coarse["borrow_wait_p99"] == [None, 0]
    assert fine["pinned"]["set"] == 9 * [0] + 10 * [1]
    assert fine["pins"] == 9 * [0] + [1] + 9 * [0]
    assert fine["borrow_wait_p50"] == 9 * [None] + [0] + 9 * [None]


def test_samples_since_the_latest(driven: Driven) -> None:
    driven.live(25)
    latest = driven.get()["resolutions"][0]["at"][-1]
    driven.live(6)
    fine, coarse = driven.get(since=latest)["resolutions"]
    seconds = [datetime.fromisoformat(at).second for at in fine["at"]]
    assert seconds == [26, 27, 28, 29, 30, 31]
    assert coarse["at"] == ["2026-01-02T03:04:30Z"]
    answer = driven.watched.get("/api/history?since=then", 400)
    assert answer["error"].startswith("since is 'then', but must be a valid datetime")


def test_all_samples_if_the_clock_was_set_back(driven: Driven) -> None:
    driven.live(25)
    latest = driven.get()["resolutions"][0]["at"][-1]
    driven.at -= timedelta(seconds=20)
    driven.live(2)
    everything = driven.get()
    assert driven.get(since=latest) == everything
    assert everything["resolutions"][0]["at"][-1] < latest


def test_marks_of_an_outage(driven: Driven) -> None:
    faults = driven.watched.clients.proxy.proxy.faults
    driven.watched.in_the_loop(lambda: faults.add("pause", "drill"))
    driven.live(7)
    assert [one["ended"] for one in driven.get()["marks"]] == [None, None]
    driven.watched.in_the_loop(lambda: faults.remove("drill"))
    fault, outage = driven.get()["marks"]
    assert fault == {
        "kind": "fault",
        "subject": "drill",
        "text": "The fault drill began: pause, no borrow is served.",
        "began": "2026-01-02T03:04:00Z",
        "ended": "2026-01-02T03:04:07Z",
    }
    assert (outage["kind"], outage["subject"]) == ("unavailable", "default")
    assert outage["text"].startswith("The target default is UNAVAILABLE (UNREACHABLE)")


def test_marks_older_than_an_hour_are_gone(driven: Driven) -> None:
    faults = driven.watched.clients.proxy.proxy.faults
    driven.watched.in_the_loop(lambda: faults.add("latency", "old", seconds=1))
    driven.watched.in_the_loop(lambda: faults.remove("old"))
    driven.watched.in_the_loop(lambda: faults.add("latency", "lasting", seconds=1))
    driven.at += timedelta(hours=1, seconds=1)
    assert [one["subject"] for one in driven.get()["marks"]] == ["lasting"]
