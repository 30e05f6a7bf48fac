"""The parameters that a client receives when it logs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.harness import Postgres, eventually
from tests.live.clients import Clients
from tests.live.conftest import Serve


@contextmanager
def altered(direct: psycopg.Connection[Any], name: str, value: str) -> Iterator[None]:
    """Change a default of the whole server for the duration of the block."""
    direct.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    try:
        direct.execute("SELECT pg_reload_conf()")
        yield
    finally:
        direct.execute(f"SET {name} TO DEFAULT; SET {name} = off".encode())
        direct.execute(f"ALTER SYSTEM RESET {name}".encode())
        direct.execute("SELECT pg_reload_conf()")


def reported(clients: Clients, name: str, **parameters: str) -> str:
    with clients.stranger() as client:
        value = client.start(**parameters).statuses[name]
        client.leave()
        return value


def test_a_change_of_the_server_s_settings_reaches_the_next_login(
    serve: Serve, direct: psycopg.Connection[Any]
) -> None:
    clients = serve(2)
    name = "default_transaction_read_only"
    for _ in range(2):
        assert reported(clients, name) == "off"
    with altered(direct, name, "on"):
        eventually(lambda: reported(clients, name) == "on")
        assert reported(clients, name, application_name="another") == "on"
    eventually(lambda: reported(clients, name) == "off")


def test_new_connections_report_alter_database_settings(
    serve: Serve, direct: psycopg.Connection[Any], database: str
) -> None:
    """As in PostgreSQL, open connections keep the old setting."""
    clients = serve(1)
    assert reported(clients, "DateStyle") == "ISO, MDY"
    direct.execute(f"ALTER DATABASE {database} SET DateStyle = 'ISO, DMY'".encode())
    pid = clients().query("SELECT pg_backend_pid()").value
    direct.execute("SELECT pg_terminate_backend(%s)", [pid])
    eventually(lambda: reported(clients, "DateStyle") == "ISO, DMY")


def test_a_login_does_not_wait_for_a_connection_in_use(serve: Serve) -> None:
    """The login uses the parameters of an earlier client instead."""
    clients = serve(1)
    holder = clients()
    assert holder.query("BEGIN").status == "T"
    assert reported(clients, "server_encoding") == "UTF8"
    assert holder.query("COMMIT").status == "I"


def test_parameters_of_another_encoding_are_not_shared(
    serve: Serve, postgres: Postgres
) -> None:
    clients = serve(2)
    values = [
        reported(clients, "client_encoding", client_encoding=encoding)
        for encoding in ("LATIN1", "UTF8", "LATIN1")
    ]
    assert values == ["LATIN1", "UTF8", "LATIN1"]
