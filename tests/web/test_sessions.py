"""What /api/sessions tells of real clients."""

from typing import Any

import pytest

from pinwatch.web.sessions import described
from tests.harness import RunningProxy, eventually
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.wireclient import parse, query


@pytest.fixture
def clients(serve: Serve) -> Clients:
    return serve(1)


def only(proxy: RunningProxy) -> dict[str, Any]:
    (session,) = proxy.proxy.sessions
    return described(session)


def test_a_client_that_does_nothing(clients: Clients, database: str) -> None:
    client = clients(application_name="shop")
    told = only(clients.proxy)
    host, port = client.socket.getsockname()
    assert told == {
        "client_connection": told["client_connection"],
        "db_connection": None,
        "endpoint": "default",
        "address": f"{host}:{port}",
        "encrypted": False,
        "user": "postgres",
        "database": database,
        "application_name": "shop",
        "connected_at": told["connected_at"],
        "age": told["age"],
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
    told = only(clients.proxy)
    assert told["pinned"] is True
    assert told["rules"] == ["set", "listen"]
    assert told["held"] == {"settings": {"a.b": "c"}, "channels": {"jobs": ""}}
    assert told["state"] == "idle"
    assert told["db_connection"] == told["pin"]["connection"]
    assert told["pin"]["sql"] == "SET LOCAL a.b = 'c'; LISTEN jobs"
    assert "https://" in told["pin"]["contested"]
    assert 0 < told["pinned_seconds"] < told["age"]
    assert told["connected_at"] < told["pin"]["at"]


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
        told["application_name"]: told["state"]
        for told in map(described, clients.proxy.proxy.sessions)
    }
    assert states == {"1": "active", "2": "waiting"}


def test_one_that_has_only_connected(clients: Clients) -> None:
    clients.stranger()
    eventually(lambda: clients.proxy.clients)
    assert only(clients.proxy)["state"] == "starting"
