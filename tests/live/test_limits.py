"""The limits and timeouts of RDS Proxy, at their bounds, on a fast clock."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
import pytest
from pydantic import ValidationError

from pinwatch.config.model import ConnectionPool, Settings
from pinwatch.events import DatabaseConnected
from tests.harness import Proxies, RunningProxy, eventually, proxy_settings
from tests.live.conftest import Serve
from tests.pair import Node
from tests.wireclient import query

# Values of time_scale. The other timeouts are as long as possible, so that a slow
# machine does not reach them first.
MINUTES_IN_A_MOMENT: Final = 300
DAY_IN_A_MOMENT: Final = 24 * 3600 / 5
UNHURRIED: Final = {"authentication_timeout": 1e9, "idle_client_timeout": 28_800}
LONGEST_BORROW: Final = {"connection_borrow_timeout": 300}
AN_IDLE_SECOND: Final = {
    "time_scale": MINUTES_IN_A_MOMENT,
    "authentication_timeout": 1e9,
    "idle_client_timeout": MINUTES_IN_A_MOMENT,
    "connection_pool": LONGEST_BORROW | {"max_idle_connections_percent": 100},
}


@contextmanager
def connected(
    proxy: RunningProxy, **parameters: Any
) -> Iterator[psycopg.Connection[Any]]:
    dsn = proxy.endpoint().dsn
    with closing(psycopg.connect(dsn, autocommit=True, **parameters)) as connection:
        yield connection


def backend(connection: psycopg.Connection[Any]) -> int:
    return int(value(connection, "SELECT pg_backend_pid()"))


def value(connection: psycopg.Connection[Any], sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def fill(proxy: RunningProxy, count: int) -> None:
    """Open count database connections, and leave them idle."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(proxy)) for _ in range(count)]
        for client in clients:
            client.execute("BEGIN")
        for client in clients:
            client.execute("COMMIT")


def logged_in(proxy: RunningProxy) -> psycopg.Connection[Any]:
    """Connect, and try again after each borrow timeout."""
    connections: list[psycopg.Connection[Any]] = []

    def log_in() -> bool:
        with suppress(psycopg.OperationalError):
            connections.append(psycopg.connect(proxy.endpoint().dsn, autocommit=True))
        return bool(connections)

    eventually(log_in)
    return connections[0]


class TestMaxIdleConnectionsPercent:
    @pytest.mark.parametrize(
        ("pool", "left"),
        [
            ({"max_idle_connections_percent": 0}, 0),
            ({"max_idle_connections_percent": 25}, 1),
            ({}, 2),
            ({"max_idle_connections_percent": 100}, 4),
            (
                {"max_connections_percent": 50, "max_idle_connections_percent": 50},
                4,
            ),
        ],
    )
    def test_connections_unused_for_five_minutes_are_closed(
        self, proxy: Proxies, pool: dict[str, int], left: int
    ) -> None:
        running = proxy(
            4,
            connection_pool=pool | LONGEST_BORROW,
            time_scale=MINUTES_IN_A_MOMENT,
            **UNHURRIED,
        )
        fill(running, 4)
        clock = running.proxy.clock
        began = clock.now
        eventually(lambda: clock.now > began + 2 * 300)
        eventually(lambda: len(running.proxy.pool) == left)

    def test_the_percentage_is_of_the_target_s_limit(self, proxy: Proxies) -> None:
        percents = {"max_connections_percent": 10, "max_idle_connections_percent": 5}
        running = proxy(
            None,
            connection_pool=percents | LONGEST_BORROW,
            time_scale=MINUTES_IN_A_MOMENT,
            **UNHURRIED,
        )
        most = running.proxy.pool.max_connections
        limit = running.proxy.group.writer.connections.status.max_connections
        fill(running, most)
        clock = running.proxy.clock
        began = clock.now
        eventually(lambda: clock.now > began + 2 * 300)
        eventually(lambda: len(running.proxy.pool) == limit * 5 // 100 > most // 2)

    def test_recently_used_connections_stay(self, proxy: Proxies) -> None:
        running = proxy(4, connection_pool={"max_idle_connections_percent": 0})
        fill(running, 4)
        clock = running.proxy.clock
        began = clock.now
        eventually(lambda: clock.now > began + 0.3)
        assert len(running.proxy.pool) == 4

    def test_a_pinned_connection_is_not_idle(self, proxy: Proxies) -> None:
        running = proxy(
            4,
            connection_pool={"max_idle_connections_percent": 0} | LONGEST_BORROW,
            time_scale=MINUTES_IN_A_MOMENT,
            **UNHURRIED,
        )
        with connected(running) as pinned:
            pinned.execute("SET work_mem TO '1MB'")
            before = backend(pinned)
            clock = running.proxy.clock
            began = clock.now
            eventually(lambda: clock.now > began + 2 * 300)
            assert backend(pinned) == before

    @pytest.mark.parametrize("percent", [-1, 51])
    def test_bounds(self, percent: int) -> None:
        with pytest.raises(ValidationError):
            ConnectionPool(
                max_connections_percent=50, max_idle_connections_percent=percent
            )


class TestConnectionBorrowTimeout:
    def test_0_fails_at_once_without_an_idle_connection(self, proxy: Proxies) -> None:
        running = proxy(2, connection_pool={"connection_borrow_timeout": 0})
        with connected(running) as holding, connected(running) as asking:
            eventually(lambda: _begun(holding))
            with pytest.raises(psycopg.errors.ConnectionException, match="Timed-out"):
                asking.execute("SELECT 1")
            eventually(lambda: running.proxy.pool.idle_count)
            assert value(asking, "SELECT 1") == 1

    def test_0_and_many_requests_in_one_chunk(self, serve: Serve) -> None:
        clients = serve(1, connection_pool={"connection_borrow_timeout": 0})
        holder, asking = clients(), clients()
        holder.query("BEGIN")
        asking.send(query("SELECT 1") * 2_000)
        for _ in range(2_000):
            assert asking.reply().errors[0][:2] == ("ERROR", "08000")
        received = clients.proxy.proxy.endpoints["default"].counters.plain.queries
        assert received == 1 + 2_000


class TestInitQuery:
    def test_it_runs_once_for_each_database_connection(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE TABLE begun ()")
        running = proxy(
            3,
            connection_pool={
                "init_query": "SET statement_timeout TO 54321; "
                "INSERT INTO begun DEFAULT VALUES"
            },
        )
        for _ in range(2):
            fill(running, 3)
        opened = len(running.happened(DatabaseConnected))
        assert value(direct, "SELECT count(*) FROM begun") == opened
        with connected(running) as client:
            assert value(client, "SHOW statement_timeout") == "54321ms"

    def test_clients_receive_its_settings(self, proxy: Proxies) -> None:
        running = proxy(connection_pool={"init_query": "SET timezone TO 'Asia/Tokyo'"})
        with connected(running) as client:
            assert client.info.parameter_status("TimeZone") == "Asia/Tokyo"

    def test_it_holds_after_another_client_s_parameters(self, proxy: Proxies) -> None:
        running = proxy(
            1, connection_pool={"init_query": "SET timezone TO 'Asia/Tokyo'"}
        )
        with connected(running, options="") as client:
            assert value(client, "SHOW timezone") == "Asia/Tokyo"
        with connected(running, application_name="other") as client:
            assert value(client, "SHOW timezone") == "Asia/Tokyo"
        with connected(running) as client:
            assert value(client, "SHOW timezone") == "Asia/Tokyo"

    def test_it_does_not_run_again_if_it_sets_nothing(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE TABLE begun ()")
        query = "CREATE TEMP TABLE scratch (); INSERT INTO begun DEFAULT VALUES"
        running = proxy(1, connection_pool={"init_query": query})
        for parameters in {"application_name": "other"}, {}, {"options": ""}:
            with connected(running, **parameters) as client:
                client.execute("SELECT * FROM scratch")
        assert value(direct, "SELECT count(*) FROM begun") == 1

    def test_a_startup_parameter_overrides_it(self, proxy: Proxies) -> None:
        query = "SET client_encoding TO latin1; SET application_name TO 'initial'"
        running = proxy(1, connection_pool={"init_query": query})
        own = {"client_encoding": "LATIN9"}
        with connected(running, application_name="own", **own) as client:
            assert value(client, "SHOW client_encoding") == "LATIN9"
        with connected(running, **own) as client:
            assert value(client, "SHOW client_encoding") == "LATIN9"
            assert value(client, "SHOW application_name") == "initial"

    def test_it_holds_after_a_reset(self, proxy: Proxies) -> None:
        running = proxy(
            1, connection_pool={"init_query": "SET timezone TO 'Asia/Tokyo'"}
        )
        with connected(running) as pinned:
            before = backend(pinned)
            pinned.execute("SET timezone TO 'Asia/Seoul'")
        with connected(running) as client:
            assert backend(client) == before
            assert value(client, "SHOW timezone") == "Asia/Tokyo"

    def test_an_error_in_it_refuses_the_borrow(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        running = proxy(1, connection_pool={"init_query": "SELECT * FROM missing"})
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(running.endpoint().dsn)
        assert 'Request returned an error: relation "missing" does not exist' in str(
            refused.value
        )
        direct.execute("CREATE TABLE missing ()")
        with connected(running) as client:
            assert value(client, "SELECT 1") == 1


class TestIdleClientTimeout:
    def test_the_client_is_closed_and_the_database_connection_stays(
        self, proxy: Proxies
    ) -> None:
        running = proxy(1, **AN_IDLE_SECOND)
        with connected(running) as idle:
            before = backend(idle)
            eventually(lambda: not running.clients)
            with pytest.raises(
                psycopg.errors.IdleSessionTimeout, match="idle-session timeout"
            ):
                idle.execute("SELECT 1")
        with connected(running) as client:
            assert backend(client) == before

    def test_idle_in_a_transaction(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        running = proxy(1, **AN_IDLE_SECOND)
        direct.execute("CREATE TABLE kept ()")
        with connected(running) as idle:
            idle.execute("BEGIN")
            idle.execute("INSERT INTO kept DEFAULT VALUES")
            eventually(lambda: not running.clients)
        assert value(direct, "SELECT count(*) FROM kept") == 0

    def test_a_running_statement_is_not_idle(self, proxy: Proxies) -> None:
        running = proxy(1, **AN_IDLE_SECOND)
        with connected(running) as busy:
            assert value(busy, "SELECT 1 FROM pg_sleep(2)") == 1

    @pytest.mark.parametrize("seconds", [0, 28_801, 1.5])
    def test_bounds(self, seconds: float) -> None:
        with pytest.raises(ValidationError):
            Settings.model_validate({"idle_client_timeout": seconds})


class TestADay:
    """Limits of 24 hours. On so fast a clock, a login may exceed the borrow timeout;
    the client then tries again."""

    def test_the_longest_life_of_a_client(self, proxy: Proxies) -> None:
        running = proxy(1, time_scale=DAY_IN_A_MOMENT, **UNHURRIED)
        with logged_in(running) as client:

            def work() -> None:
                while True:
                    with suppress(psycopg.errors.ConnectionException):
                        client.execute("SELECT 1")

            with pytest.raises(psycopg.OperationalError, match="24 hours"):
                work()

    def test_an_old_database_connection_is_replaced_when_idle(
        self, proxy: Proxies
    ) -> None:
        running = proxy(
            1,
            time_scale=DAY_IN_A_MOMENT,
            connection_pool={"max_idle_connections_percent": 100},
            **UNHURRIED,
        )
        logged_in(running).close()
        assert len(running.proxy.pool) == 1
        eventually(lambda: not len(running.proxy.pool))


def test_the_cap_follows_the_target() -> None:
    """The limit is read again each minute, and after a restart."""
    with TemporaryDirectory(prefix="pinwatch-") as name, ExitStack() as stack:
        Path(name).chmod(0o755)
        node = Node("only", Path(name))
        node.create()
        node.start()
        stack.callback(node.stop)
        settings = proxy_settings(time_scale=600)
        running = stack.enter_context(RunningProxy(settings, node.postgres, "postgres"))
        before = running.proxy.pool.max_connections
        node.set_up("max_connections = 30")
        node.restart()
        eventually(lambda: running.proxy.pool.max_connections == before - 30)


def test_status_checks_stay_within_the_cap(
    proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    before = value(direct, others)
    running = proxy(
        1,
        time_scale=MINUTES_IN_A_MOMENT,
        connection_pool=LONGEST_BORROW,
        **UNHURRIED,
    )
    eventually(lambda: value(direct, others) == before)
    with connected(running) as busy:
        clock = running.proxy.clock
        for statement in "BEGIN", "COMMIT":
            busy.execute(statement)
            began, most = clock.now, 0
            while clock.now < began + 300:
                most = max(most, value(direct, others))
            assert most == before + 1


def _begun(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("BEGIN")
    except psycopg.errors.ConnectionException:
        return False
    return True
