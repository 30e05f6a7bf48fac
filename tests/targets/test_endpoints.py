"""Endpoints with a role: read-only ones borrow from readers."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest

from pinwatch.config.model import Settings
from tests.harness import Endpoint, Proxies, RunningProxy, eventually
from tests.pair import Pair
from tests.targets.conftest import Before

READS = {"name": "reads", "listen": "127.0.0.1:0", "target_role": "READ_ONLY"}
WRITES = {"name": "writes", "listen": "127.0.0.1:0"}


def endpoint(proxy: RunningProxy, name: str) -> Endpoint:
    host, port = proxy.proxy.endpoints[name].address
    return Endpoint(host, port, "postgres", "postgres")


@contextmanager
def connected(proxy: RunningProxy, name: str) -> Iterator[psycopg.Connection[Any]]:
    dsn = endpoint(proxy, name).dsn
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        yield connection


def server(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("SHOW unix_socket_directories").fetchone()
    assert row is not None
    return str(row[0])


def test_each_role_has_its_target(before: Before, pair: Pair) -> None:
    proxy = before(endpoints=[READS, WRITES])
    with connected(proxy, "reads") as reads, connected(proxy, "writes") as writes:
        assert server(reads) == str(pair.replica.folder)
        assert server(writes) == str(pair.primary.folder)
        assert reads.info.parameter_status("in_hot_standby") == "on"
        assert writes.info.parameter_status("in_hot_standby") == "off"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reads.execute("CREATE TABLE t ()")


def test_without_any_reader_a_borrow_fails_at_once(proxy: Proxies) -> None:
    running = proxy(endpoints=[READS])
    with pytest.raises(psycopg.OperationalError, match="has no reader"):
        psycopg.connect(endpoint(running, "reads").dsn)


def test_borrows_wait_for_readers_that_are_down(before: Before, pair: Pair) -> None:
    proxy = before(
        endpoints=[READS],
        connection_pool={"connection_borrow_timeout": 1},
    )
    with connected(proxy, "reads") as reads:
        member = proxy.proxy.group.readers[0]
        reads.execute("SELECT 1")
        pair.replica.stop()
        eventually(lambda: not len(member.pool))
        with pytest.raises(psycopg.errors.ConnectionException, match="Timed-out"):
            reads.execute("SELECT 1")
        pair.replica.start()
        eventually(lambda: member.monitor.available)
        assert server(reads) == str(pair.replica.folder)


def test_a_pinned_reader_is_lost_with_its_target(before: Before, pair: Pair) -> None:
    proxy = before(endpoints=[READS])
    with connected(proxy, "reads") as reads:
        reads.execute("SET work_mem TO '1MB'")
        pair.replica.restart()
        with pytest.raises(psycopg.OperationalError):
            reads.execute("SELECT 1")


def test_the_least_loaded_reader_is_chosen(before: Before, pair: Pair) -> None:
    """Load is relative to max_connections; one reader is on the primary's server."""
    targets = [*pair.targets, pair.targets[1] | {"name": "c"}]
    proxy = before(endpoints=[READS], targets=targets)
    with ExitStack() as stack:
        readers = [stack.enter_context(connected(proxy, "reads")) for _ in range(4)]
        for reader in readers:
            reader.execute("BEGIN")
        borrowed = {
            member.name: len(member.pool.borrowed)
            for member in proxy.proxy.group.readers
        }
    assert borrowed == {pair.replica.name: 2, "c": 2}


def test_the_reader_is_kept_if_loads_are_equal(before: Before, pair: Pair) -> None:
    targets = [*pair.targets, pair.targets[1] | {"name": "c"}]
    proxy = before(endpoints=[READS], targets=targets)

    def lending() -> str:
        readers = proxy.proxy.group.readers
        (name,) = [reader.name for reader in readers if reader.pool.borrowed]
        return name

    with connected(proxy, "reads") as other, connected(proxy, "reads") as reader:
        other.execute("BEGIN")
        first = lending()
        reader.execute("BEGIN")
        other.execute("COMMIT")
        second = lending()
        reader.execute("COMMIT")
        for _ in range(2):
            reader.execute("BEGIN")
            assert lending() == second != first
            reader.execute("COMMIT")


def test_names_and_roles_are_checked() -> None:
    with pytest.raises(ValueError, match="endpoints has reads twice"):
        Settings.model_validate({"endpoints": [READS, READS]})
    with pytest.raises(ValueError, match="endpoints has default twice"):
        Settings.model_validate({"endpoints": [READS | {"name": "default"}]})
