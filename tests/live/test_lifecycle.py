"""Lost clients, killed connections, long waits, and their effect on other clients."""

import asyncio
import os
import socket
from contextlib import closing
from typing import Any

import psycopg
import pytest

from pinwatch import events
from pinwatch.relay.database_connection import DatabaseConnection
from tests.harness import Proxies, eventually
from tests.live.clients import Clients, running
from tests.live.conftest import Serve
from tests.wireclient import SYNC, WireClient, bind, execute, parse, query

PID = "SELECT pg_backend_pid()"
SLEEP = "SELECT pg_sleep(60)"


@pytest.fixture
def clients(serve: Serve) -> Clients:
    return serve(1)


def gone(direct: psycopg.Connection[Any], process: str | int | None) -> bool:
    row = direct.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (process,))
    return row.fetchone() is None


def kill(direct: psycopg.Connection[Any], process: str | int | None) -> None:
    direct.execute("SELECT pg_terminate_backend(%s)", (process,))
    eventually(lambda: gone(direct, process))


def process_of(client: WireClient) -> str:
    found = client.query(PID).value
    assert found is not None
    return found


# Clients that vanish.


def test_client_lost_in_the_queue(clients: Clients) -> None:
    holder, waiter, next_one = clients(), clients(), clients()
    holder.query("BEGIN")
    waiter.send(query("SELECT 'nobody reads this'"))
    eventually(lambda: clients.proxy.waiting == 1)
    next_one.send(query("SELECT 'next'"))
    eventually(lambda: clients.proxy.waiting == 2)
    waiter.vanish()
    eventually(lambda: clients.proxy.waiting == 1)
    holder.query("COMMIT")
    assert next_one.reply().value == "next"


def test_client_lost_in_a_request(
    clients: Clients, direct: psycopg.Connection[Any]
) -> None:
    """The database connection is closed, and its statement is cancelled."""
    client, other = clients(), clients()
    client.send(query(SLEEP))
    process = eventually(lambda: running(direct, SLEEP))
    client.vanish()
    eventually(lambda: gone(direct, process))
    assert process_of(other) != str(process)


def test_client_lost_in_a_transaction(
    clients: Clients, direct: psycopg.Connection[Any]
) -> None:
    """The transaction is rolled back, and its connection is not used again."""
    direct.execute("CREATE TABLE t ()")
    client, other = clients(), clients()
    process = process_of(client)
    client.query("BEGIN; INSERT INTO t DEFAULT VALUES")
    client.vanish()
    assert process_of(other) != process
    assert other.query("SELECT count(*) FROM t").value == "0"
    assert gone(direct, process)


def test_client_lost_within_a_message(clients: Clients) -> None:
    client, other = clients(), clients()
    client.query("BEGIN")
    client.send(query("COMMIT")[:-3])
    client.vanish()
    assert other.query("SELECT 1").value == "1"


@pytest.mark.parametrize("politely", [True, False])
def test_pinned_client_leaves(clients: Clients, politely: bool) -> None:
    """The connection is reset, and the next client borrows it."""
    client, other = clients(), clients()
    process = process_of(client)
    client.query("SET search_path TO nowhere")
    client.leave() if politely else client.vanish()
    assert process_of(other) == process
    assert other.query("SHOW search_path").value == '"$user", public'


def test_client_half_closes(clients: Clients) -> None:
    """A half-closed client connection counts as closed."""
    client = clients()
    client.query("SELECT 1")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.rest().messages == []
    eventually(lambda: not clients.proxy.clients)


# Database connections that are killed.


def test_server_process_killed_under_an_idle_client(
    clients: Clients, direct: psycopg.Connection[Any]
) -> None:
    """The client does not notice."""
    client = clients()
    process = process_of(client)
    kill(direct, process)
    eventually(lambda: clients.proxy.happened(events.DatabaseClosed))
    assert process_of(client) != process


@pytest.mark.parametrize("pinned", [True, False])
def test_server_process_killed_in_a_transaction(
    clients: Clients, direct: psycopg.Connection[Any], pinned: bool
) -> None:
    """The client receives the server's FATAL and is closed; others get a new one."""
    client, other = clients(), clients()
    process = process_of(client)
    client.query("SET search_path TO x" if pinned else "BEGIN")
    kill(direct, process)
    (error,) = client.rest().errors
    assert error == (
        "FATAL",
        "57P01",
        "terminating connection due to administrator command",
    )
    assert process_of(other) != process


def test_server_process_killed_in_a_request(
    clients: Clients, direct: psycopg.Connection[Any]
) -> None:
    client, other = clients(), clients()
    client.send(parse("", SLEEP) + bind("") + execute() + SYNC)
    kill(direct, eventually(lambda: running(direct, SLEEP)))
    assert client.rest().errors[0][:2] == ("FATAL", "57P01")
    assert other.query("SELECT 1").value == "1"


# Waiting too long.


def test_a_borrow_that_times_out(serve: Serve) -> None:
    """The client receives an error and stays connected."""
    clients = serve(1, connection_pool={"connection_borrow_timeout": 0.2})
    holder, waiter = clients(), clients()
    holder.query("BEGIN")
    reply = waiter.query("SELECT 1")
    text = "Timed-out waiting to acquire database connection."
    assert (reply.kinds, reply.errors) == ("EZ", [("ERROR", "08000", text)])
    waiter.send(parse("s", "SELECT 2") + bind("s") + execute() + SYNC)
    reply = waiter.reply()
    assert (reply.kinds, reply.errors) == ("EZ", [("ERROR", "08000", text)])
    holder.query("COMMIT")
    assert waiter.query("SELECT 3").value == "3"


def test_a_borrow_timeout_of_zero(serve: Serve) -> None:
    clients = serve(1, connection_pool={"connection_borrow_timeout": 0})
    holder, waiter = clients(), clients()
    holder.query("BEGIN")
    assert waiter.query("SELECT 1").errors[0][:2] == ("ERROR", "08000")


# Database connections that come too late.


def test_a_login_that_succeeds_after_it_was_given_up(
    proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    """The login succeeds after the proxy has given up."""
    running = proxy(1)
    connections = running.proxy.group.writer.connections
    let_in: list[DatabaseConnection] = []

    async def give_up() -> None:
        opened = connections.opened
        look = asyncio.ensure_future(connections.check(keep_open=True))

        def too_late(connection: DatabaseConnection) -> None:
            opened(connection)
            let_in.append(connection)
            look.cancel()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connections, "opened", too_late)
            with pytest.raises(asyncio.CancelledError):
                await look

    running.run(give_up())
    [connection] = let_in
    assert connection.backend_key is not None
    process, _ = connection.backend_key
    eventually(lambda: gone(direct, process))


# Stopping.


def test_shutdown_lets_a_transaction_end(serve: Serve) -> None:
    clients = serve(2, shutdown_grace=60)
    idle, busy = clients(), clients()
    busy.query("BEGIN")
    clients.proxy.stop()
    assert idle.rest().errors[0][:2] == ("FATAL", "57P01")
    assert busy.query("SELECT 1").value == "1"
    busy.send(query("COMMIT"))
    ended = busy.rest()
    assert ended.tags == ["COMMIT"]
    assert ended.errors[0][:2] == ("FATAL", "57P01")
    eventually(lambda: clients.proxy.stopped)


@pytest.mark.parametrize("does", ["BEGIN", SLEEP])
def test_shutdown_ends_a_long_transaction(
    serve: Serve, direct: psycopg.Connection[Any], does: str
) -> None:
    """The running statement is cancelled."""
    clients = serve(1, shutdown_grace=0.2)
    client = clients()
    process = process_of(client)
    client.send(query(does))
    eventually(lambda: clients.proxy.proxy.pool.borrowed)
    clients.proxy.stop()
    assert client.rest().errors[-1][:2] == ("FATAL", "57P01")
    eventually(lambda: clients.proxy.stopped)
    eventually(lambda: gone(direct, process))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_address_of_a_client(proxy: Proxies, host: str) -> None:
    running = proxy(listen=f"{host}:0")
    with (
        closing(psycopg.connect(running.endpoint().dsn)) as client,
        socket.socket(fileno=os.dup(client.fileno())) as duplicate,
    ):
        port = duplicate.getsockname()[1]
    (connected,) = running.happened(events.ClientConnected)
    assert isinstance(connected, events.ClientConnected)
    assert connected.address == f"{host}:{port}"
