"""Settings that change while clients are at work."""

import socket
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from pinwatch.config.model import Settings
from pinwatch.errors import ListenError, SettingError
from tests.harness import Endpoint, Proxies, RunningProxy, eventually
from tests.live.conftest import Serve
from tests.wireclient import query

EXTRA = {"name": "extra", "listen": "127.0.0.1:0"}


def reload(proxy: RunningProxy, **settings: Any) -> list[str]:
    given = proxy.settings.model_dump(exclude_unset=True) | settings
    return proxy.run(proxy.proxy.reload(Settings.model_validate(given)))


def connect(proxy: RunningProxy, name: str = "default") -> psycopg.Connection[Any]:
    host, port = proxy.proxy.endpoints[name].address
    there = Endpoint(host, port, "postgres", proxy.database)
    return psycopg.connect(there.dsn, autocommit=True)


def free_port(stack: ExitStack) -> int:
    """Return a port that stays taken until the stack is closed."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return int(server.getsockname()[1])


def test_the_cap_and_the_timeout(proxy: Proxies) -> None:
    running = proxy(1, connection_pool={"connection_borrow_timeout": 120})
    with closing(connect(running)) as holding, closing(connect(running)) as waiting:
        holding.execute("BEGIN")
        reload(running, connection_pool={"connection_borrow_timeout": 0.1})
        with pytest.raises(psycopg.errors.ConnectionException):
            waiting.execute("SELECT 1")
        reload(running, max_connections=2)
        waiting.execute("SELECT 1")
        holding.execute("COMMIT")


def test_a_waiter_is_served_by_a_higher_cap(serve: Serve) -> None:
    clients = serve(1)
    holder, waiter = clients(), clients()
    holder.query("BEGIN")
    waiter.send(query("SELECT 1"))
    eventually(lambda: clients.proxy.waiting)
    reload(clients.proxy, max_connections=2)
    assert waiter.reply().value == "1"


def test_the_profile(proxy: Proxies) -> None:
    running = proxy()
    with closing(connect(running)) as client:
        client.execute("SET LOCAL work_mem TO '1MB'")
        (before,) = running.proxy.sessions
        assert before.pinning.pinned
    eventually(lambda: not running.clients)
    reload(running, profile="lenient")
    with closing(connect(running)) as client:
        client.execute("SET LOCAL work_mem TO '1MB'")
        (after,) = running.proxy.sessions
        assert not after.pinning.pinned


def test_logins(proxy: Proxies) -> None:
    running = proxy()
    entry = {"username": "postgres", "password": "secret"}
    with closing(connect(running)) as client:
        reload(running, auth=[entry])
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(running)
        client.execute("SELECT 1")


def test_endpoints_come_and_go(proxy: Proxies) -> None:
    running = proxy()
    assert reload(running, endpoints=[EXTRA]) == []
    with closing(connect(running, "extra")) as client:
        host, port = running.proxy.endpoints["extra"].address
        reload(running, endpoints=[])
        assert list(running.proxy.endpoints) == ["default"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))
        client.execute("SELECT 1")


def test_an_endpoint_moves_and_returns(proxy: Proxies) -> None:
    running = proxy(endpoints=[EXTRA])
    with ExitStack() as stack:
        ports = [free_port(stack) for _ in range(2)]
    for port in (*ports, *ports):
        moved = EXTRA | {"listen": f"127.0.0.1:{port}"}
        assert reload(running, endpoints=[moved]) == []
        assert running.proxy.endpoints["extra"].address.port == port
        with closing(connect(running, "extra")) as client:
            client.execute("SELECT 1")


def test_an_endpoint_is_removed_and_added(proxy: Proxies) -> None:
    running = proxy()
    for _ in range(3):
        reload(running, endpoints=[EXTRA])
        for name in "extra", "default":
            with closing(connect(running, name)) as client:
                client.execute("SELECT 1")
        reload(running, endpoints=[])
        with closing(connect(running)) as client:
            client.execute("SELECT 1")


def test_an_endpoint_s_role_changes_where_it_is(proxy: Proxies) -> None:
    running = proxy(endpoints=[EXTRA])
    before = running.proxy.endpoints["extra"].address
    with closing(connect(running, "extra")) as client:
        client.execute("SELECT 1")
        reload(running, endpoints=[EXTRA | {"target_role": "READ_ONLY"}])
        assert running.proxy.endpoints["extra"].address == before
        with pytest.raises(psycopg.errors.ConnectionException, match="no reader"):
            client.execute("SELECT 1")


def test_a_failed_reload_changes_nothing(proxy: Proxies) -> None:
    running = proxy(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match="Cannot listen"):
            reload(
                running,
                max_connections=1,
                endpoints=[EXTRA, EXTRA | {"name": "b", "listen": f"127.0.0.1:{port}"}],
            )
    with pytest.raises(SettingError):
        reload(running, max_connections=1, tls={"certificate": "/missing"})
    assert running.proxy.pool.max_connections == 2
    assert list(running.proxy.endpoints) == ["default"]


def test_settings_that_need_a_restart_are_returned(proxy: Proxies) -> None:
    running = proxy()
    assert reload(running, listen="127.0.0.1:1", time_scale=2) == [
        "listen",
        "time_scale",
    ]
    with closing(connect(running)) as client:
        client.execute("SELECT 1")
