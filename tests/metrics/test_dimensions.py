"""The dimensions of metrics with several endpoints and several targets."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.harness import eventually
from tests.live.clients import Clients
from tests.metrics.conftest import Measure
from tests.metrics.scrape import Measured, measured
from tests.pair import Pair
from tests.targets.conftest import Before
from tests.targets.conftest import before as before
from tests.targets.conftest import pair as pair
from tests.targets.conftest import started_pair as started_pair
from tests.targets.test_endpoints import READS, connected

NAME = "shop"


@pytest.fixture
def shop(before: Before) -> Iterator[Measured]:
    """Measure a proxy with one endpoint for each role."""
    with ExitStack() as stack:
        running = before(db_proxy_name=NAME, endpoints=[READS])
        yield stack.enter_context(measured(Clients(running, stack)))


def labels(proxy: Measured, name: str) -> list[tuple[dict[str, str], float]]:
    found = [
        (sample.labels, sample.value)
        for sample in proxy.scrape().samples
        if sample.name == f"pinwatch_{name}"
    ]
    return sorted(found, key=lambda one: sorted(one[0].items()))


def test_one_of_each(measure: Measure) -> None:
    proxy = measure()
    proxy().query("SELECT 1")
    endpoint = {"proxy": "pinwatch", "endpoint": "default"}
    target = {"target": "default", "target_role": "READ_WRITE"}
    assert labels(proxy, "client_connections") == [(endpoint, 1)]
    assert labels(proxy, "database_connections") == [
        ({"proxy": "pinwatch", **target}, 1)
    ]
    assert labels(proxy, "query_database_response_latency_seconds_count") == [
        (endpoint | target, 1)
    ]


def test_clients_by_endpoint(shop: Measured) -> None:
    running = shop.clients.proxy
    default = {"proxy": NAME, "endpoint": "default"}
    reads = {"proxy": NAME, "endpoint": "reads"}
    with connected(running, "default"), connected(running, "reads") as reader:
        reader.execute("SELECT 1")
        for name, by_default, by_reads in (
            ("client_connections", 1, 1),
            ("client_connections_no_tls", 0, 0),
            ("client_connections_tls", 1, 1),
            ("client_connections_received_total", 1, 1),
            ("client_connections_setup_succeeded_total", 1, 1),
            ("query_requests_total", 0, 1),
            ("query_requests_tls_total", 0, 1),
            ("query_response_latency_seconds_count", 0, 1),
        ):
            counted = [(default, by_default), (reads, by_reads)]
            assert labels(shop, name) == counted, name


def test_connections_by_target(shop: Measured, pair: Pair) -> None:
    running = shop.clients.proxy
    writer = {"proxy": NAME, "target": pair.primary.name, "target_role": "READ_WRITE"}
    reader = {"proxy": NAME, "target": pair.replica.name, "target_role": "READ_ONLY"}
    expected = sorted((writer, reader), key=lambda one: one["target"])
    with connected(running, "reads") as client:
        client.execute("BEGIN")
        for name, by_reader in (
            ("database_connection_requests_total", 1),
            ("database_connections_setup_succeeded_total", 1),
            ("database_connections", 1),
            ("database_connections_currently_borrowed", 1),
            ("database_connections_currently_in_transaction", 1),
        ):
            counted = [(one, by_reader if one is reader else 0) for one in expected]
            assert labels(shop, name) == counted
        assert labels(shop, "query_database_response_latency_seconds_count") == [
            ({"endpoint": "reads", **reader}, 1)
        ]
    assert labels(shop, "availability_percentage") == [
        ({"proxy": NAME, "target_role": "READ_ONLY"}, 100),
        ({"proxy": NAME, "target_role": "READ_WRITE"}, 100),
    ]


def test_a_role_that_nobody_has_is_not_available(shop: Measured, pair: Pair) -> None:
    pair.replica.stop()
    try:
        shop.comes_to_tell(0, "availability_percentage", target_role="READ_ONLY")
        assert shop.tells("availability_percentage", target_role="READ_WRITE") == 100
    finally:
        pair.replica.start()
    shop.comes_to_tell(100, "availability_percentage", target_role="READ_ONLY")


def test_roles_change_with_a_failover(shop: Measured, pair: Pair) -> None:
    running = shop.clients.proxy
    with connected(running, "default") as client:
        client.execute("SELECT 1")

    def roles() -> dict[str, str]:
        found = labels(shop, "max_database_connections_allowed")
        return {one["target"]: one["target_role"] for one, _ in found}

    before, after = pair.primary.name, pair.replica.name
    assert roles() == {before: "READ_WRITE", after: "READ_ONLY"}
    pair.fail_over()
    eventually(lambda: roles() == {before: "READ_ONLY", after: "READ_WRITE"})
    connected_at = {"target": before, "target_role": "READ_ONLY"}
    assert shop.tells("database_connections_setup_succeeded_total", **connected_at) == 1
