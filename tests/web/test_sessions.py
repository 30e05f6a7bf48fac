"""/api/sessions returns the sessions of real clients."""

from typing import Any

import pytest

from pinwatch.observers.sessions import described
from pinwatch.wire.messages import COMMAND_COMPLETE
from tests.harness import RunningProxy, eventually
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.wireclient import FLUSH, SYNC, bind, execute, parse, query


@pytest.fixture
def clients(serve: Serve) -> Clients:
    return serve(1)


def only(proxy: RunningProxy) -> dict[str, Any]:
    (session,) = proxy.proxy.sessions
    return described(session)


def held_by_one(proxy: RunningProxy) -> Any:
    """Looked at in the loop, when all is done about what the client has read."""

    async def look() -> Any:
        return only(proxy)["held"]

    return proxy.run(look())


def test_a_client_that_does_nothing(clients: Clients, database: str) -> None:
    client = clients(application_name="shop")
    session = only(clients.proxy)
    host, port = client.socket.getsockname()
    assert session == {
        "client_connection": session["client_connection"],
        "db_connection": None,
        "endpoint": "default",
        "address": f"{host}:{port}",
        "encrypted": False,
        "user": "postgres",
        "database": database,
        "application_name": "shop",
        "connected_at": session["connected_at"],
        "age": session["age"],
        "state": "idle",
        "pinned": False,
        "pinned_seconds": None,
        "rules": [],
        "pin": None,
        "held": {},
    }


def test_one_that_is_pinned(clients: Clients) -> None:
    client = clients()
    client.query("SET LOCAL a.b = 'c'; LISTEN jobs")
    session = only(clients.proxy)
    assert session["pinned"] is True
    assert session["rules"] == ["listen", "set"]
    assert session["held"] == {"channels": {"jobs": ""}}
    assert session["state"] == "idle"
    assert session["db_connection"] == session["pin"]["connection"]
    assert session["pin"]["sql"] == "SET LOCAL a.b = 'c'; LISTEN jobs"
    assert (session["pin"]["rule"], session["pin"]["contested"]) == ("listen", "")
    assert 0 < session["pinned_seconds"] < session["age"]
    assert session["connected_at"] < session["pin"]["at"]


KEEPS = {"settings": {"a.b": "0"}}
LOCAL = "SET LOCAL a.b TO 1"


@pytest.mark.parametrize(
    ("queries", "held"),
    [
        (["BEGIN", LOCAL], {"settings": {"a.b": "1"}}),
        (["BEGIN", LOCAL, "COMMIT"], KEEPS),
        (["BEGIN", LOCAL, "SET a.b TO 2", "COMMIT"], {"settings": {"a.b": "2"}}),
        (["BEGIN", "SET a.b TO 2", LOCAL, "COMMIT"], {"settings": {"a.b": "2"}}),
        (["BEGIN", "SELECT set_config('a.b', '1', true)", "COMMIT"], KEEPS),
        ([LOCAL], KEEPS),
        (["BEGIN; " + LOCAL + "; COMMIT"], KEEPS),
        (["BEGIN", "SET a.b TO 2", "ROLLBACK"], KEEPS),
        (["BEGIN", "RESET a.b", "ROLLBACK"], KEEPS),
        (["BEGIN", "SET a.b TO 2", "SELECT 1/0", "COMMIT"], KEEPS),
        (["SET nonsense TO 1"], KEEPS),
        (["BEGIN; SET a.b TO 2; ROLLBACK", "SET a.b TO 3"], {"settings": {"a.b": "3"}}),
        (["BEGIN", "CREATE TEMP TABLE t () ON COMMIT DROP", "COMMIT"], KEEPS),
        (
            ["BEGIN", "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", "COMMIT"],
            KEEPS,
        ),
        (["CREATE TEMP TABLE t ()", "DROP TABLE t"], KEEPS),
        (
            [
                "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                "BEGIN",
                "CLOSE c",
                "ROLLBACK",
            ],
            KEEPS,
        ),
        (
            ["CREATE TEMP TABLE t ()", "BEGIN", "DROP TABLE t", "ROLLBACK"],
            KEEPS | {"temporary_objects": {"t": ""}},
        ),
        (["BEGIN", "DECLARE c CURSOR FOR SELECT 1", "COMMIT"], KEEPS),
        (
            ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "COMMIT"],
            KEEPS | {"cursors": {"c": ""}},
        ),
        (
            ["BEGIN", "SELECT pg_advisory_lock(1)", "LISTEN a", "ROLLBACK"],
            KEEPS | {"advisory_locks": {"1": ""}},
        ),
    ],
)
def test_what_is_held_when_transactions_end(
    clients: Clients, queries: list[str], held: dict[str, dict[str, str]]
) -> None:
    client = clients()
    for sql in ("SET a.b TO 0", *queries):
        client.query(sql)
    assert held_by_one(clients.proxy) == held


def test_what_is_held_while_a_batch_is_open(clients: Clients) -> None:
    """The replies so far do not end its transaction."""
    client = clients()
    client.query("SET a.b TO 0")
    client.send(parse("", LOCAL), bind(""), execute(), FLUSH)
    client.reply(COMMAND_COMPLETE)
    assert held_by_one(clients.proxy) == {"settings": {"a.b": "1"}}
    client.send(SYNC)
    client.reply()
    assert held_by_one(clients.proxy) == KEEPS


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("BEGIN", "idle in transaction"),
        ("BEGIN; SELECT 1/0", "idle in transaction (aborted)"),
    ],
)
def test_one_in_a_transaction(clients: Clients, sql: str, state: str) -> None:
    client = clients()
    client.query(sql)
    assert only(clients.proxy)["state"] == state


def test_one_that_waits_and_one_that_is_served(clients: Clients) -> None:
    first, second = clients(application_name="1"), clients(application_name="2")
    first.send(parse("", "SELECT 1"))
    eventually(lambda: len(clients.proxy.proxy.pool.borrowed) == 1)
    second.send(query("SELECT 2"))
    eventually(lambda: clients.proxy.waiting)
    states = {
        session["application_name"]: session["state"]
        for session in map(described, clients.proxy.proxy.sessions)
    }
    assert states == {"1": "active", "2": "waiting"}


def test_one_that_has_only_connected(clients: Clients) -> None:
    clients.stranger()
    eventually(lambda: clients.proxy.clients)
    assert only(clients.proxy)["state"] == "starting"
