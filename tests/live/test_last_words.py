"""A server that ends connections in the packet that completes their login."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pinwatch.wire.messages import IDLE, error_response, ready_for_query
from tests.harness import Endpoint, Postgres, Proxies, eventually
from tests.live.relay import Relay
from tests.wireclient import WireClient

TERMINATE_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()
"""
READY = ready_for_query(IDLE)
GONE = error_response("FATAL", "57P01", "terminating connection")


class Ending(Relay):
    """A relay that ends the next ``ending`` logins as they succeed."""

    ending = 0

    def answers(self, data: bytes, source: socket.socket, drain: socket.socket) -> bool:
        if not (self.ending and data.endswith(READY)):
            return False
        self.ending -= 1
        drain.sendall(data + GONE)
        return True


@pytest.fixture
def relay(postgres: Postgres) -> Iterator[Ending]:
    relay = Ending(postgres.server.host)
    yield relay
    relay.listening.close()


def test_a_connection_that_ends_at_its_login_is_not_borrowed(
    postgres: Postgres,
    direct: psycopg.Connection[Any],
    database: str,
    relay: Ending,
) -> None:
    server = Endpoint("127.0.0.1", relay.port, "postgres", database)
    with ExitStack() as stack:
        proxies = Proxies(replace(postgres, server=server), database, stack)
        running = proxies(1)
        greeted = WireClient.login(running.endpoint())
        direct.execute(TERMINATE_ALL, [database])
        eventually(lambda: not running.proxy.pool.open_count)
        relay.ending = 2
        assert greeted.query("SELECT 'served'").value == "served"
        assert relay.ending == 0
        greeted.vanish()
