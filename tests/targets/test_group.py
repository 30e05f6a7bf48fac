"""Failover with clients at work: after a crash of the writer, and on request."""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from time import monotonic
from typing import Any, Final

import psycopg
import pytest

from pinwatch import events
from pinwatch.errors import FailoverError
from tests.harness import PATIENCE, RunningProxy, eventually
from tests.pair import Pair
from tests.targets.conftest import Before

ROUNDS: Final = int(os.environ.get("PINWATCH_FAILOVERS", "2"))
WRITERS: Final = 12
POOL: Final = 4


class Writer(threading.Thread):
    """A client that inserts one number per transaction, and reconnects when needed."""

    def __init__(self, dsn: str, first: int) -> None:
        super().__init__()
        self.dsn = dsn
        self.next = first
        self.committed: list[int] = []
        self.lost: list[str | None] = []
        self.longest = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self._write()
            except psycopg.Error as error:
                self.lost.append(error.sqlstate)

    def _write(self) -> None:
        with closing(psycopg.connect(self.dsn, autocommit=True)) as connection:
            while not self.over.is_set():
                number, began = self.next, monotonic()
                self.next += 1
                connection.execute("INSERT INTO written VALUES (%s)", [number])
                self.committed.append(number)
                self.longest = max(self.longest, monotonic() - began)


@contextmanager
def writing(dsn: str) -> Iterator[list[Writer]]:
    writers = [Writer(dsn, first * 10_000_000) for first in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join(PATIENCE)
        assert not any(writer.is_alive() for writer in writers), "a client is stuck"


def all_write(writers: list[Writer], more: int = 1) -> None:
    """Wait until each writer has committed that many more numbers."""
    wanted = [len(writer.committed) + more for writer in writers]
    eventually(
        lambda: all(
            len(writer.committed) >= least
            for writer, least in zip(writers, wanted, strict=True)
        )
    )


def rows(connection: psycopg.Connection[Any]) -> set[int]:
    return {number for (number,) in connection.execute("TABLE written").fetchall()}


def served(connection: psycopg.Connection[Any]) -> int:
    """Return the number of server processes that have served writers."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'INSERT INTO written%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_writer_is_killed(before: Before, pair: Pair) -> None:
    """No committed number is lost and no client is stuck, in several failovers."""
    waits = []
    for _ in range(ROUNDS):
        if not (pair.replica.data / "postmaster.pid").exists():
            pair.rejoin()
        with closing(pair.primary.connect()) as connection:
            connection.execute("DROP TABLE IF EXISTS written")
            connection.execute("CREATE TABLE written (number bigint PRIMARY KEY)")
        with ExitStack() as stack:
            proxy = Before(pair, stack)(max_connections=POOL)
            dsn = proxy.endpoint().dsn
            with writing(dsn) as writers:
                all_write(writers, random.randint(1, 40))
                pair.fail_over()
                all_write(writers, 5)
                with closing(pair.primary.connect()) as connection:
                    assert served(connection) <= POOL
            committed = {number for one in writers for number in one.committed}
            with closing(pair.primary.connect()) as connection:
                assert committed <= rows(connection)
            assert proxy.proxy.group.writer.name == pair.primary.name
            waits.append(max(writer.longest for writer in writers))
    print(f"waited at most {max(waits):.2f} s in {ROUNDS} failovers")


def test_clients_in_a_transaction_lose_their_connection_and_others_wait(
    before: Before, pair: Pair
) -> None:
    proxy = before(max_connections=POOL)
    with ExitStack() as stack:
        idle, busy, pinned = (stack.enter_context(connected(proxy)) for _ in range(3))
        idle.execute("SELECT 1")
        busy.execute("BEGIN")
        pinned.execute("SET work_mem TO '1MB'")
        pair.fail_over()
        for lost in busy, pinned:
            with pytest.raises(psycopg.OperationalError):
                lost.execute("SELECT 1")
            assert lost.closed
        (host,) = idle.execute("SHOW unix_socket_directories").fetchone() or [None]
        assert host == str(pair.primary.folder)


def test_a_failover_on_request(before: Before, pair: Pair) -> None:
    """The replica was promoted without the proxy; both servers are writable."""
    proxy = before()
    group = proxy.proxy.group
    pair.replica.promote()
    other = next(one for one in group.members if one.name == pair.replica.name)
    eventually(lambda: other.monitor.serves_writes)
    assert group.writer.name == pair.primary.name
    with connected(proxy) as busy, connected(proxy) as idle:
        idle.execute("SELECT 1")
        busy.execute("BEGIN")
        proxy.run(group.failover(outage=0.2))
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
        (host,) = idle.execute("SHOW unix_socket_directories").fetchone() or [None]
        assert host == str(pair.replica.folder)
    (moved,) = proxy.happened(events.FailedOver)
    assert isinstance(moved, events.FailedOver)
    assert (moved.before, moved.after) == (pair.primary.name, pair.replica.name)
    assert round(moved.seconds, 3) >= 0.2
    pair.replica.stop()


def test_a_failover_to_a_replica_is_rejected(before: Before, pair: Pair) -> None:
    proxy = before()
    for name in (None, pair.replica.name):
        with pytest.raises(FailoverError, match="promote"):
            proxy.run(proxy.proxy.group.failover(name))
    with pytest.raises(FailoverError, match=r"There is no target c: there are a, b\."):
        proxy.run(proxy.proxy.group.failover("c"))


@contextmanager
def connected(proxy: RunningProxy) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(proxy.endpoint().dsn, autocommit=True)) as connection:
        yield connection
