"""Metrics of database connections: how many, who has them, who waits."""

import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pinwatch.tls import certificates as tls
from tests.auth.servers import postgresql, with_tls
from tests.harness import Endpoint, Postgres, Proxies, embedded_postgres
from tests.live.clients import Clients
from tests.metrics.conftest import Measure
from tests.metrics.scrape import Measured, measured
from tests.wireclient import query, startup


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def before(postgres: Postgres, stack: ExitStack) -> Measured:
    """A measured proxy before another server than the other tests'."""
    proxy = Proxies(postgres, "postgres", stack)(1)
    return stack.enter_context(measured(Clients(proxy, stack)))


def test_before_anybody_came(measure: Measure) -> None:
    now = measure(7).scrape()
    assert now("database_connections") == 0
    assert now("database_connection_requests_total") == 0
    assert now("max_database_connections_allowed") == 7
    assert now("availability_percentage") == 100
    assert math.isnan(now("multiplexing_ratio"))


def test_the_cap_is_the_target_s_less_what_it_reserves(measure: Measure) -> None:
    assert measure(None).tells("max_database_connections_allowed") == 120 - 3


def test_from_opened_to_given_back(measure: Measure) -> None:
    proxy = measure(3)
    first, second = proxy(), proxy()
    first.query("BEGIN")
    second.query("BEGIN; SELECT 1/0")
    now = proxy.scrape()
    assert now("database_connection_requests_total") == 2
    assert now("database_connection_requests_with_tls_total") == 0
    assert now("database_connections_setup_succeeded_total") == 2
    assert now("database_connections_setup_failed_total") == 0
    assert now("database_connections") == 2
    assert now("database_connections_with_tls") == 0
    assert now("database_connections_currently_borrowed") == 2
    assert now("database_connections_currently_in_transaction") == 2
    first.query("COMMIT")
    now = proxy.scrape()
    assert now("database_connections") == 2
    assert now("database_connections_currently_borrowed") == 1
    assert now("database_connections_currently_in_transaction") == 1
    second.vanish()
    proxy.comes_to_tell(1, "database_connections")
    now = proxy.scrape()
    assert now("database_connections_currently_borrowed") == 0
    assert now("database_connections_currently_in_transaction") == 0


def test_a_refusal_is_no_failure_of_the_target(measure: Measure) -> None:
    proxy = measure()
    client = proxy.clients.stranger()
    client.send(startup({"user": "postgres", "database": "nowhere"}))
    assert client.rest().errors[0][1] == "3D000"
    now = proxy.scrape()
    assert now("database_connection_requests_total") == 1
    assert now("database_connections_setup_succeeded_total") == 0
    assert now("database_connections_setup_failed_total") == 1
    assert now("borrows_total", outcome="refused") == 1
    assert now("availability_percentage") == 100


def test_a_target_that_is_gone(stack: ExitStack) -> None:
    server = ExitStack()
    with server:
        postgres = server.enter_context(embedded_postgres(18))
        proxy = before(postgres, stack)
        client = proxy()
        client.query("SELECT 1")
        assert proxy.tells("availability_percentage") == 100
    proxy.comes_to_tell(0, "database_connections")
    client.send(query("SELECT 1"))
    proxy.comes_to_tell(0, "availability_percentage")
    now = proxy.scrape()
    assert now("database_connections_setup_failed_total") >= 1
    assert now("database_connections_setup_succeeded_total") == 1


@pytest.fixture
def encrypted(tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Postgres:
    """A server that requires TLS."""
    binaries = with_tls()
    if binaries is None:
        pytest.skip("no PostgreSQL on the PATH, and the embedded one has no TLS")
    pem = tls.generated(tmp_path_factory.mktemp("certificates"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack.enter_context(
        postgresql(
            binaries,
            "hostssl all all 127.0.0.1/32 trust\n",
            f"port = {port}",
            "listen_addresses = '127.0.0.1'",
            "ssl = on",
            "ssl_key_file = 'server.crt'",
            files={"server.crt": pem},
        )
    )
    server = Endpoint("127.0.0.1", port, "postgres", "postgres")
    return Postgres(server, any_role=True)


def test_tls_to_the_target(encrypted: Postgres, stack: ExitStack) -> None:
    proxy = before(encrypted, stack)
    proxy().query("SELECT 1")
    now = proxy.scrape()
    assert now("database_connection_requests_total") == 1
    assert now("database_connection_requests_with_tls_total") == 1
    assert now("database_connections_with_tls") == 1
    assert now("database_connections") == 1


def test_clients_over_database_connections(measure: Measure) -> None:
    proxy = measure(2)
    clients = [proxy() for _ in range(3)]
    assert proxy.tells("multiplexing_ratio") == 3
    clients[0].query("BEGIN")
    clients[1].query("BEGIN")
    assert proxy.tells("multiplexing_ratio") == 1.5


class TestBorrowing:
    def test_at_once(self, measure: Measure) -> None:
        proxy = measure()
        client = proxy()
        # To log the first client in, a connection was opened and waited for.
        first = proxy.scrape()
        assert first("borrows_total", outcome="waited") == 1
        assert first("borrows_total", outcome="at_once") == 0
        for _ in range(3):
            client.query("SELECT 1")
        now = proxy.scrape()
        assert now("borrows_total", outcome="waited") == 1
        assert now("borrows_total", outcome="at_once") == 3
        name = "database_connections_borrow_latency_seconds"
        assert now(f"{name}_count") == 4
        assert now(f"{name}_bucket", le="+Inf") == 4
        assert now(f"{name}_bucket", le="0.0001") - 3 == first(
            f"{name}_bucket", le="0.0001"
        )
        assert now(f"{name}_sum") == first(f"{name}_sum") > 0

    def test_in_the_queue(self, measure: Measure) -> None:
        proxy = measure(1)
        holder, *others = (proxy() for _ in range(3))
        holder.query("BEGIN")
        for client in others:
            client.send(query("SELECT 1"))
        proxy.comes_to_tell(2, "borrow_queue_length")
        waited = proxy.tells("borrows_total", outcome="waited")
        holder.query("COMMIT")
        for client in others:
            client.reply()
        now = proxy.scrape()
        assert now("borrow_queue_length") == 0
        assert now("borrows_total", outcome="waited") == waited + 2
        assert now("borrows_total", outcome="timed_out") == 0

    def test_in_vain(self, measure: Measure) -> None:
        proxy = measure(1, connection_pool={"connection_borrow_timeout": 0.1})
        holder, other = proxy(), proxy()
        holder.query("BEGIN")
        before = proxy.tells("database_connections_borrow_latency_seconds_count")
        assert other.query("SELECT 1").errors[0][1] == "08000"
        now = proxy.scrape()
        assert now("borrows_total", outcome="timed_out") == 1
        assert now("database_connections_borrow_latency_seconds_count") == before
