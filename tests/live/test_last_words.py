"""A server that ends connections in the packet that completes their login."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pinwatch.wire.messages import IDLE, error_response, ready_for_query
from tests.harness import Endpoint, Postgres, Proxies, eventually
from tests.wireclient import WireClient

TERMINATE_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()
"""
READY = ready_for_query(IDLE)
GONE = error_response("FATAL", "57P01", "terminating connection")


class Relay:
    """A relay to PostgreSQL that ends the next ``ending`` logins as they succeed."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.ending = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self._run(self._serve)

    def _run(self, work: Callable[..., None], *args: socket.socket) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                proxy, _ = self.listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self.server}/.s.PGSQL.5432")
                self._run(self._pass_on, proxy, server)
                self._run(self._pass_on, server, proxy)

    def _pass_on(self, source: socket.socket, drain: socket.socket) -> None:
        with suppress(OSError), source, drain:
            while data := source.recv(65_536):
                if self.ending and data.endswith(READY):
                    self.ending -= 1
                    drain.sendall(data + GONE)
                    return
                drain.sendall(data)


@pytest.fixture
def relay(postgres: Postgres) -> Iterator[Relay]:
    relay = Relay(postgres.server.host)
    yield relay
    relay.listening.close()


def test_a_connection_that_ends_at_its_login_is_not_borrowed(
    postgres: Postgres,
    direct: psycopg.Connection[Any],
    database: str,
    relay: Relay,
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
