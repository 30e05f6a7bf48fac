"""Terminate after requests whose replies the client has not read."""

import socket
from typing import Any, Final

import psycopg
import pytest

from tests.harness import eventually
from tests.live.conftest import Serve
from tests.wireclient import SYNC, TERMINATE, WireClient, bind, execute, parse, query

INSERT: Final = "INSERT INTO written VALUES (1)"
SLOW: Final = "INSERT INTO written SELECT 1 FROM pg_sleep(0.2)"
REQUESTS: Final = {
    "a query": (query(INSERT),),
    "a slow query": (query(SLOW),),
    "two queries": (query("SELECT pg_sleep(0.1)"), query(INSERT)),
    "an extended batch": (parse("", INSERT), bind(""), execute(), SYNC),
    "two batches": (
        *(parse("", "SELECT 1"), bind(""), execute(), SYNC),
        *(parse("", SLOW), bind(""), execute(), SYNC),
    ),
    "a transaction": (query("BEGIN"), query(INSERT), query("COMMIT")),
    "after an error": (query("SELECT 1/0"), query(INSERT)),
}


@pytest.fixture(autouse=True)
def written(direct: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    direct.execute("CREATE TABLE written (n int)")
    return direct


def rows(direct: psycopg.Connection[Any]) -> int:
    row = direct.execute("SELECT count(*) FROM written").fetchone()
    assert row is not None
    return int(row[0])


def ready(client: WireClient) -> int:
    return client.rest().kinds.count("Z")


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("half_close", [False, True], ids=["open", "half closed"])
def test_requests_before_a_terminate_are_answered(
    serve: Serve,
    written: psycopg.Connection[Any],
    requests: tuple[bytes, ...],
    half_close: bool,
) -> None:
    client = serve(1)()
    client.send(*requests, TERMINATE)
    if half_close:
        client.socket.shutdown(socket.SHUT_WR)
    wanted = sum(1 for one in requests if one[:1] in b"QS")
    assert ready(client) == wanted
    assert rows(written) == 1


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_requests_before_a_terminate_run_after_the_client_is_gone(
    serve: Serve, written: psycopg.Connection[Any], requests: tuple[bytes, ...]
) -> None:
    clients = serve(1)
    client = clients()
    client.send(*requests, TERMINATE)
    client.vanish()
    eventually(lambda: rows(written) == 1)
    assert clients().query("SELECT 1").rows == [("1",)]


@pytest.mark.parametrize("gone", [False, True], ids=["stays", "is gone"])
@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_requests_before_a_terminate_run_if_the_client_waits_for_a_connection(
    serve: Serve,
    written: psycopg.Connection[Any],
    requests: tuple[bytes, ...],
    gone: bool,
) -> None:
    clients = serve(1)
    holder, client = clients(), clients()
    holder.query("BEGIN")
    client.send(*requests, TERMINATE)
    eventually(lambda: clients.proxy.waiting)
    if gone:
        client.vanish()
    assert rows(written) == 0
    holder.query("COMMIT")
    eventually(lambda: rows(written) == 1)
    if not gone:
        assert ready(client) == sum(1 for one in requests if one[:1] in b"QS")


def test_messages_behind_a_terminate_are_ignored(
    serve: Serve, written: psycopg.Connection[Any]
) -> None:
    client = serve(1)()
    client.send(query(INSERT), TERMINATE, query(INSERT))
    assert ready(client) == 1
    assert rows(written) == 1


def test_a_transaction_that_a_terminate_leaves_open_is_rolled_back(
    serve: Serve, written: psycopg.Connection[Any]
) -> None:
    clients = serve(1)
    client = clients()
    client.send(query("BEGIN"), query(INSERT), TERMINATE)
    assert ready(client) == 2
    assert clients().query("SELECT count(*) FROM written").rows == [("0",)]


def test_a_half_close_in_mid_request_is_a_lost_client(
    serve: Serve, written: psycopg.Connection[Any]
) -> None:
    """Without a Terminate, it cannot be distinguished from a lost client."""
    clients = serve(1)
    client = clients()
    client.send(query("BEGIN"), query(SLOW))
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()
    assert clients().query("SELECT count(*) FROM written").rows == [("0",)]


def test_a_client_that_leaves_without_reading_frees_its_connection(
    serve: Serve, written: psycopg.Connection[Any]
) -> None:
    """Rows that the client does not read must not block the server."""
    clients = serve(1)
    client = clients()
    client.send(
        query("SELECT repeat('x', 10000) FROM generate_series(1, 5000)"),
        query(INSERT),
        TERMINATE,
    )
    client.vanish()
    eventually(lambda: rows(written) == 1)
    assert clients().query("SELECT 1").rows == [("1",)]
