"""/api/pool: each database connection, by what it does for real clients."""

import os
import signal
from contextlib import ExitStack
from typing import Any

import pytest

from tests.harness import eventually
from tests.live.clients import Clients
from tests.pair import Pair
from tests.targets.conftest import Before
from tests.targets.conftest import before as before
from tests.targets.conftest import pair as pair
from tests.targets.conftest import started_pair as started_pair
from tests.targets.test_endpoints import READS, connected
from tests.web.conftest import Place, Watch, Watched
from tests.web.conftest import watched as watch_over
from tests.wireclient import WireClient, parse, query, startup


@pytest.fixture
def watched(watch: Watch) -> Watched:
    return watch(4)


def states(pool: Any) -> list[str]:
    return sorted(one["state"] for one in pool["connections"])


def test_nobody(watched: Watched) -> None:
    assert watched.get("/api/pool") == {
        "max_connections": 4,
        "open": 0,
        "idle": 0,
        "borrowed": 0,
        "in_transaction": 0,
        "pinned": 0,
        "clients": 0,
        "waiting": 0,
        "connections": [],
    }


def test_what_connections_do(watched: Watched, database: str) -> None:
    pinned, busy, borrowing, idle = (watched() for _ in range(4))
    pinned.query("LISTEN jobs; BEGIN")
    busy.query("BEGIN")
    borrowing.send(parse("", "SELECT 1"))
    eventually(lambda: "borrowed" in states(watched.get("/api/pool")))
    idle.query("SELECT 1")
    pool = watched.get("/api/pool")
    assert states(pool) == ["borrowed", "idle", "in transaction", "pinned"]
    counted = {name: pool[name] for name in pool if name != "connections"}
    assert counted == {
        "max_connections": 4,
        "open": 4,
        "idle": 1,
        "borrowed": 3,
        "in_transaction": 2,
        "pinned": 1,
        "clients": 4,
        "waiting": 0,
    }
    sessions = {one["db_connection"]: one for one in watched.get("/api/sessions")}
    for one in pool["connections"]:
        assert (one["user"], one["database"]) == ("postgres", database)
        assert one["target"] == "default"
        assert one["seconds"] >= 0
        if one["state"] == "idle":
            assert (one["client"], one["rule"]) == (None, None)
        else:
            session = sessions[one["connection"]]
            assert one["client"] == session["client_connection"]
            assert one["rule"] == ("listen" if session["pinned"] else None)


def test_every_target_s(before: Before, pair: Pair) -> None:
    with ExitStack() as stack:
        proxy = before(endpoints=[READS], max_connections=3)
        watched = watch_over(Clients(proxy, stack), stack)
        reader = stack.enter_context(connected(proxy, "reads"))
        writer = stack.enter_context(connected(proxy, "default"))
        reader.execute("BEGIN")
        writer.execute("BEGIN")
        pool = watched.get("/api/pool")
        assert (pool["max_connections"], pool["borrowed"]) == (6, 2)
        assert pool["in_transaction"] == 2
        targets = {one["client"]: one["target"] for one in pool["connections"]}
        assert {
            session["endpoint"]: targets[session["client_connection"]]
            for session in watched.get("/api/sessions")
        } == {"reads": pair.replica.name, "default": pair.primary.name}


def test_seconds_go_on_while_the_state_stays(watched: Watched) -> None:
    pinned, busy = watched(), watched()
    pinned.query("LISTEN jobs")
    busy.query("BEGIN")
    before = watched.get("/api/pool")["connections"]
    after = watched.get("/api/pool")["connections"]
    assert [one["connection"] for one in before] == [o["connection"] for o in after]
    for one, later in zip(before, after, strict=True):
        assert later["seconds"] > one["seconds"]


def test_who_waits_is_counted_and_borrows_from_when_it_is_lent(watch: Watch) -> None:
    watched = watch(1)
    first, second = watched(), watched()
    first.query("BEGIN")
    second.send(query("BEGIN"))
    eventually(lambda: watched.get("/api/pool")["waiting"] == 1)
    (held,) = watched.get("/api/pool")["connections"]
    first.query("COMMIT")
    second.reply()
    (lent,) = watched.get("/api/pool")["connections"]
    assert lent["connection"] == held["connection"]
    assert lent["client"] != held["client"]
    assert lent["seconds"] < held["seconds"]


def test_one_that_is_opening(moving: Watched, place: Place) -> None:
    place.be_silent()
    login = {"user": "postgres", "database": moving.clients.proxy.database}
    moving.clients.stranger().send(startup(login))
    (one,) = eventually(lambda: moving.get("/api/pool")["connections"])
    assert (one["state"], one["client"], one["user"]) == ("opening", None, "postgres")
    assert moving.get("/api/pool")["open"] == 0


def test_one_that_is_closing(watch: Watch) -> None:
    """Its server process stands still; another database wants its room."""
    watched = watch(1)
    client = watched()
    process = int(client.query("SELECT pg_backend_pid()").value or "")
    os.kill(process, signal.SIGSTOP)
    try:
        elsewhere = watched.clients.proxy.endpoint(database="postgres")
        with WireClient(elsewhere) as other:
            other.send(startup({"user": "postgres", "database": "postgres"}))
            eventually(lambda: states(watched.get("/api/pool")) == ["closing"])
            (one,) = watched.get("/api/pool")["connections"]
            assert (one["client"], watched.get("/api/pool")["waiting"]) == (None, 1)
    finally:
        os.kill(process, signal.SIGCONT)
