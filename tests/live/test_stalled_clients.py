"""Clients that stop in the middle of a request do not keep their connection."""

import socket
from typing import Any, Final

import psycopg
import pytest

from tests.harness import Proxies, RunningProxy
from tests.live.test_limits import AN_IDLE_SECOND, connected
from tests.wireclient import FLUSH, WireClient, bind, copy_data, execute, parse, query

HALF_QUERY: Final = query("SELECT 'the rest never comes'")[:-5]
LONG_QUERY: Final = query("SELECT '" + "x" * 20_000 + "'")[:-5]
SOON: Final[dict[str, Any]] = AN_IDLE_SECOND | {
    "idle_client_timeout": 60
}  # before a borrow times out
ROWS: Final = "SELECT repeat('x', 100000) FROM generate_series(1, 1000)"
STALLS: Final = {
    "half a query": (HALF_QUERY,),
    "half a long query": (LONG_QUERY,),
    "half a query in a transaction": (query("BEGIN"), HALF_QUERY),
    "a parse without a sync": (parse("", "SELECT 1"),),
    "a flush in place of a sync": (parse("", "SELECT 1"), FLUSH),
    "half a bind": (parse("", "SELECT $1::text"), bind("", "x" * 99)[:-9]),
    "an execute without a sync": (parse("", "SELECT 1"), bind(""), execute()),
    "a copy without data": (query("COPY taken FROM STDIN"),),
    "a copy without an end": (query("COPY taken FROM STDIN"), copy_data(b"1\n")),
    "a failed batch without a sync": (parse("", "SELEC"), FLUSH),
    "a result that is not read": (query(ROWS),),
}


@pytest.fixture(autouse=True)
def taken(direct: psycopg.Connection[Any]) -> None:
    direct.execute("CREATE TABLE taken (n int)")


def stalled(proxy: RunningProxy, sent: tuple[bytes, ...]) -> WireClient:
    client = WireClient.login(proxy.endpoint())
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send(*sent)
    return client


@pytest.mark.parametrize("sent", STALLS.values(), ids=STALLS)
def test_the_connection_of_a_stalled_client_is_freed(
    proxy: Proxies, sent: tuple[bytes, ...]
) -> None:
    running = proxy(1, **SOON)
    with stalled(running, sent), connected(running) as next_client:
        assert next_client.execute("SELECT 1").fetchone() == (1,)


def test_a_slow_client_stays(proxy: Proxies) -> None:
    """Each byte restarts the timeout."""
    running = proxy(1, **SOON)
    clock = running.proxy.clock
    began = clock.now
    with WireClient.login(running.endpoint()) as client:
        client.send(query("COPY taken FROM STDIN"))
        while clock.now < began + 2 * SOON["idle_client_timeout"]:
            client.send(copy_data(b"1\n"))
        client.send(b"c\0\0\0\4")
        assert "Z" in client.reply().kinds
