"""/api/summary and /api/proxy, of what real clients did."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from pinwatch import __version__
from pinwatch.observers.timeline import Timeline
from tests.figures import still_clock
from tests.harness import eventually
from tests.leaked import LEAK
from tests.live.conftest import Serve
from tests.web.conftest import watched

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TAGGED = "SELECT set_config('app.tenant', '7', false) /*{}*/"


class Driven:
    """A watched proxy, with the clocks of its pins and of its timeline."""

    def __init__(self, serve: Serve, stack: ExitStack) -> None:
        self.clock = still_clock()
        self.at = START
        self.watched = watched(
            serve(6),
            stack,
            timeline=Timeline(self.clock, lambda: self.at),
            history_clock=self.clock,
        )

    def live(self, seconds: float) -> None:
        self.clock.now += seconds
        self.at += timedelta(seconds=seconds)

    def texts(self) -> list[str]:
        return [headline["text"] for headline in self.get()]

    def get(self) -> Any:
        return self.watched.get("/api/summary")


@pytest.fixture
def driven(serve: Serve) -> Any:
    with ExitStack() as stack:
        yield Driven(serve, stack)


def test_nothing_is_pinned(driven: Driven) -> None:
    (headline,) = driven.get()
    assert (headline["kind"], headline["text"]) == ("clear", "Nothing is pinned.")
    assert headline["detail"] is headline["fix"] is None


def test_after_an_incident(driven: Driven) -> None:
    driven.watched.tick()
    for _ in range(2):
        with driven.watched() as client:
            client.query("SET a.b = 1")
    eventually(lambda: driven.texts() == ["Nothing is pinned."])
    assert driven.get()[0]["detail"] == "2 sessions pinned in the last hour."


def test_one_pin(driven: Driven) -> None:
    client = driven.watched(application_name="orders")
    client.query("LISTEN jobs")
    driven.live(90)
    assert driven.texts() == [
        "1 of 1 connection has been pinned for 90 seconds, by listen of the "
        "application orders."
    ]


def test_leaks_of_the_last_hour(driven: Driven) -> None:
    """They come before the pins, because no log of RDS Proxy shows them."""
    lock = replace(LEAK, kind="advisory_lock", name="7", value="", function="DO")
    driven.watched.observe(
        replace(LEAK, at=START), replace(lock, at=START + timedelta(minutes=30))
    )
    driven.live(60 * 60)
    leaked, clear = driven.get()
    assert (leaked["kind"], clear["kind"]) == ("leaked", "clear")
    assert leaked["text"] == (
        "Hidden state was left 2 times in the last hour; the latest is the advisory "
        "lock 7 (DO)."
    )
    assert leaked["fix"] == LEAK.advice
    driven.live(1)
    assert driven.texts()[0].startswith("Hidden state was left 1 time in")
    driven.live(60 * 60)
    assert driven.texts() == ["Nothing is pinned."]


def test_most_pins_are_of_one_statement(driven: Driven) -> None:
    """The oldest of them says where, and its fix comes with it."""
    at_30 = TAGGED.format("code.filepath='app/db.py',code.lineno='30'")
    for sql in (at_30, TAGGED.format("controller='orders'"), "LISTEN jobs"):
        driven.watched().query(sql)
        driven.live(600)
    driven.watched().query("SELECT 1")
    (headline,) = driven.get()
    assert headline["text"] == (
        "3 of 4 connections have been pinned for up to 30 minutes, most by set_config "
        "at app/db.py:30."
    )
    (digest,) = [
        one
        for one in driven.watched.get("/api/digests")
        if one["id"] == headline["digest_id"]
    ]
    assert headline["fix"] == digest["advice"]
    assert headline["rule"] == digest["rule"] == "set_config"


def test_all_pins_are_of_one_statement(driven: Driven) -> None:
    for _ in range(2):
        driven.watched().query(TAGGED.format("route='/orders'"))
    assert driven.texts() == [
        "2 of 2 connections have been pinned for less than a second, all by set_config "
        "in /orders."
    ]


def test_no_statement_pins_most(driven: Driven) -> None:
    for sql in ("SET a.b = 1", "LISTEN jobs"):
        driven.watched().query(sql)
        driven.live(7_200)
    assert driven.texts() == [
        "2 of 2 connections have been pinned for up to 4 hours, the longest by set."
    ]


def test_an_outage_and_a_fault_come_first(driven: Driven) -> None:
    proxy = driven.watched.clients.proxy.proxy
    driven.watched().query("LISTEN jobs")
    driven.watched.in_the_loop(lambda: proxy.faults.add("pause", "drill", lasting=90.5))
    driven.live(14)
    outage, fault, pinned = driven.get()
    assert outage["text"] == (
        "The target default has been UNAVAILABLE (UNREACHABLE) for 14 seconds: "
        "The fault drill is active: pause, no borrow is served."
    )
    assert fault["text"].startswith(
        "The fault drill is active: pause, no borrow is served. It ends by itself in "
    )
    assert fault["fix"] == "pinwatch fault remove drill"
    assert pinned["kind"] == "pinned"
    driven.watched.in_the_loop(lambda: proxy.faults.remove("drill"))
    assert [one["kind"] for one in driven.get()] == ["pinned"]


def test_waiting_clients(driven: Driven) -> None:
    proxy = driven.watched.clients.proxy
    client = driven.watched()
    driven.watched.in_the_loop(proxy.proxy.pool.pause)
    waiting = Thread(target=client.query, args=("SELECT 1",))
    waiting.start()
    eventually(lambda: proxy.waiting)
    kinds = {one["kind"]: one["text"] for one in driven.get()}
    assert list(kinds) == ["waiting", "clear"]
    assert kinds["waiting"].startswith("1 client waits for a database connection, for ")
    driven.watched.in_the_loop(proxy.proxy.pool.resume)
    waiting.join()


def test_the_proxy(serve: Serve) -> None:
    settings = {
        "db_proxy_name": "shop",
        "profile": "lenient",
        "endpoints": [
            {"name": "reads", "listen": "127.0.0.1:0", "target_role": "READ_ONLY"}
        ],
    }
    with ExitStack() as stack:
        clients = serve(2, **settings)
        site = watched(clients, stack)
        clients.proxy.run(clients.proxy.proxy.group.failover())
        found = site.get("/api/proxy")
        endpoints = [(one["name"], one["role"]) for one in found["endpoints"]]
        assert endpoints == [("default", "READ_WRITE"), ("reads", "READ_ONLY")]
        assert found["endpoints"][0]["address"] == str(clients.proxy.proxy.address)
        assert (found["name"], found["profile"]) == ("shop", "lenient")
        assert (found["version"], found["failovers"]) == (__version__, 1)
        assert datetime.fromisoformat(found["started_at"]) <= datetime.now(UTC)
        assert found["uptime"] > 0
