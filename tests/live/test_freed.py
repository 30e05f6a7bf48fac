"""A session that has ended is freed at once, without the garbage collector.

Sessions that wait for it are memory that grows for minutes: Python looks for cycles
among old objects only when there are a quarter more of them.
"""

import gc
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from pinwatch.relay.client_session import ClientSession
from tests.harness import eventually
from tests.live.conftest import Serve
from tests.wireclient import SYNC, WireClient, bind, execute, parse, query

FEW: Final = 5


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaves(client: WireClient) -> None:
    client.query("SELECT 1")
    client.leave()


def prepares(client: WireClient) -> None:
    client.ask(parse("s", "SELECT 1"), bind("s"), execute(), SYNC)
    client.leave()


def pins(client: WireClient) -> None:
    client.query("SET a.b = 1")
    client.leave()


def vanishes_in_a_transaction(client: WireClient) -> None:
    client.query("BEGIN")
    client.vanish()


def vanishes_in_a_query(client: WireClient) -> None:
    client.send(query("SELECT pg_sleep(0.01)"))
    client.vanish()


def violates_the_protocol(client: WireClient) -> None:
    client.send(b"\0" * FEW)
    client.rest()
    client.vanish()


def sessions_left() -> int:
    """Count sessions by their types: isinstance would run the code of lazy objects."""
    return sum(issubclass(type(one), ClientSession) for one in gc.get_objects())


@pytest.mark.parametrize(
    "visit",
    [
        leaves,
        prepares,
        pins,
        vanishes_in_a_transaction,
        vanishes_in_a_query,
        violates_the_protocol,
    ],
)
def test_ended_sessions_are_freed(
    serve: Serve, visit: Callable[[WireClient], None]
) -> None:
    clients = serve(2)
    for many in (FEW, 4 * FEW):
        for _ in range(many):
            visit(WireClient.login(clients.proxy.endpoint()))
        eventually(lambda: not sessions_left())
