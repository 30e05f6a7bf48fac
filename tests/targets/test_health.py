"""TargetHealth has the states and reasons of the RDS API."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Final, cast

import psycopg
import pytest

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.config.model import DEFAULT
from pinwatch.errors import ClientError, TargetError, unreachable
from pinwatch.targets.connections import Status, TargetConnections
from pinwatch.targets.health import (
    AVAILABLE,
    MIN_INTERVAL,
    REGISTERING,
    Monitor,
    TargetHealth,
)
from pinwatch.targets.tasks import backoff
from tests.harness import Postgres, Proxies, RunningProxy, eventually
from tests.pair import Pair
from tests.targets.conftest import Before

READ_BY_CHECKS: Final = "pg_catalog.pg_is_in_recovery()"


def monitor(proxy: RunningProxy, name: str) -> Monitor:
    return next(m.monitor for m in proxy.proxy.group.members if m.name == name)


class Down:
    """The connections to a target that is down."""

    name = DEFAULT
    clock = Clock()

    def __init__(self, error: ClientError) -> None:
        self.error = error
        self.observed: list[events.Event] = []
        self.observe = self.observed.append

    async def check(self, keep_open: bool) -> Status:
        raise self.error


def test_both_targets_are_available(before: Before, pair: Pair) -> None:
    proxy = before()
    assert monitor(proxy, pair.primary.name).health is AVAILABLE
    assert monitor(proxy, pair.replica.name).health is AVAILABLE
    assert not monitor(proxy, pair.replica.name).serves_writes
    assert TargetHealth("REGISTERING") == REGISTERING


@pytest.mark.parametrize(
    ("sqlstate", "text", "down"),
    [
        ("08001", "Connection refused", True),
        ("08006", "Connection refused", True),
        ("57P03", "the database system is starting up", True),
        ("53300", "sorry, too many clients already", False),
        ("28P01", "password authentication failed", False),
    ],
)
async def test_only_some_failures_count_as_down(
    sqlstate: str, text: str, down: bool
) -> None:
    """The metric of availability depends on down; one refused login is no outage."""
    connections = Down(ClientError(text, sqlstate))
    one = Monitor(cast("TargetConnections", connections), lambda: None, single=False)
    await one.check()
    assert (one.available, one.down) == (False, down)
    (changed,) = connections.observed
    assert isinstance(changed, events.HealthChanged)
    assert (changed.state, changed.description) == ("UNAVAILABLE", text)


def test_unreachable(before: Before, pair: Pair) -> None:
    proxy = before()
    replica = monitor(proxy, pair.replica.name)
    pair.replica.stop()
    eventually(lambda: not replica.available)
    eventually(lambda: replica.health.reason == "UNREACHABLE")
    assert replica.health.state == "UNAVAILABLE"
    assert replica.health.description
    pair.replica.start()
    eventually(lambda: replica.available)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0.1), (1, 0.2), (5, 3.2), (6, 5.0), (100_000, 5.0)]
)
def test_the_time_between_retries_has_a_limit(failures: int, seconds: float) -> None:
    assert backoff(failures) == seconds


async def test_checks_go_on_after_a_long_outage() -> None:
    connections = Down(unreachable("Connection refused"))
    one = Monitor(cast("TargetConnections", connections), lambda: None, single=True)
    for _ in range(1_100):
        await one.check()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * MIN_INTERVAL):
            await one.run()


@pytest.fixture
def other_login(pair: Pair) -> Iterator[str]:
    """A role that the replica refuses, because its connection limit is 0."""
    with closing(pair.primary.connect()) as connection:
        connection.execute("CREATE ROLE stranger LOGIN CONNECTION LIMIT 0")
        yield "stranger"
        connection.execute("DROP ROLE stranger")


def test_the_login_is_refused(before: Before, pair: Pair) -> None:
    targets = pair.targets
    targets[1]["url"] = targets[1]["url"].replace("postgres@", "nobody-there@")
    proxy = before(targets=targets)
    replica = monitor(proxy, pair.replica.name)
    assert replica.health.state == "UNAVAILABLE"
    assert replica.health.reason == "AUTH_FAILURE"


def test_a_target_without_free_connections(
    before: Before, pair: Pair, other_login: str
) -> None:
    targets = pair.targets
    targets[1]["url"] = targets[1]["url"].replace("postgres@", f"{other_login}@")
    eventually(lambda: _replicated(pair, other_login))
    proxy = before(targets=targets)
    assert monitor(proxy, pair.replica.name).health.reason == "PENDING_PROXY_CAPACITY"


def test_another_refusal(before: Before, pair: Pair) -> None:
    targets = pair.targets
    targets[1]["url"] = targets[1]["url"].replace("/postgres?", "/missing?")
    proxy = before(targets=targets)
    assert monitor(proxy, pair.replica.name).health.reason == "CONNECTION_FAILED"


@pytest.fixture
def restricted(postgres: Postgres, direct: psycopg.Connection[Any]) -> Iterator[str]:
    """A role for the proxy's checks that is no superuser."""
    direct.execute("CREATE ROLE restricted LOGIN")
    yield "restricted"
    direct.execute("DROP ROLE restricted")


@pytest.mark.parametrize("clients", [0, 1])
def test_the_status_query_fails(
    postgres: Postgres,
    database: str,
    direct: psycopg.Connection[Any],
    restricted: str,
    clients: int,
) -> None:
    """The error is temporary; the checks go on, and their connections do not leak."""
    with ExitStack() as stack:
        server = replace(postgres, server=replace(postgres.server, user=restricted))
        running = Proxies(server, database, stack)(max_connections=2, time_scale=600)
        dsn = running.endpoint().dsn
        for _ in range(clients):
            with closing(psycopg.connect(dsn, autocommit=True)) as connection:
                connection.execute("SELECT 1")
        one = monitor(running, DEFAULT)
        direct.execute(f"REVOKE EXECUTE ON FUNCTION {READ_BY_CHECKS} FROM PUBLIC")
        eventually(lambda: one.health.reason == "CONNECTION_FAILED")
        assert one.health.description is not None
        assert "permission denied" in one.health.description
        pool = running.proxy.pool
        eventually(lambda: (pool.in_use, pool.idle_count) == (0, clients))
        eventually(lambda: len(running.proxy.group.writer.connections.all) == clients)
        direct.execute(f"GRANT EXECUTE ON FUNCTION {READ_BY_CHECKS} TO PUBLIC")
        eventually(lambda: one.available)


def test_the_proxy_does_not_start_without_a_writer(pair: Pair) -> None:
    targets = pair.targets
    for target in targets:
        target["url"] = target["url"].replace("/postgres?", "/missing?")
    with ExitStack() as stack, pytest.raises(TargetError, match="cannot be used"):
        Before(pair, stack)(targets=targets)


def _replicated(pair: Pair, role: str) -> bool:
    with closing(pair.replica.connect()) as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return found.fetchone() is not None
