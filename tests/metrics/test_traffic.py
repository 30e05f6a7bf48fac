"""Metrics of what clients ask, and what becomes of it."""

import platform
from typing import Final

import pytest

from pinwatch import __version__
from pinwatch.pins.cache import OVERHEAD
from tests.live.swapped import ECHO, Swapped
from tests.metrics.conftest import Measure
from tests.metrics.scrape import Measured
from tests.wireclient import SYNC, Reply, bind, execute, parse, query


@pytest.fixture
def measured(measure: Measure) -> Measured:
    return measure(2)


def test_requests_and_statements(measured: Measured) -> None:
    client = measured()
    client.query("SELECT 1; SELECT 2")
    client.query("")
    client.ask(parse("", "SELECT 1"), bind(""), execute(), execute(), SYNC)
    client.ask(bind(""), SYNC)
    now = measured.scrape()
    assert now("query_requests_total") == 2
    assert now("statements_total") == 4


def test_refused_requests_are_requests_and_statements(measure: Measure) -> None:
    measured = measure(1, connection_pool={"connection_borrow_timeout": 0})
    holder, client = measured(), measured()
    holder.query("BEGIN")
    before = measured.scrape()
    batch = parse("", "SELECT 1"), bind(""), execute(), execute(), SYNC
    for sent in ((query("SELECT 1"),), batch):
        assert client.ask(*sent).errors
    now = measured.scrape()
    counted = {
        name: now(name) - before(name)
        for name in ("query_requests_total", "statements_total")
    }
    assert counted == {"query_requests_total": 1, "statements_total": 3}


def test_transactions(measured: Measured) -> None:
    client = measured()
    before = measured.scrape()
    for sql in (
        *("SELECT 1", "BEGIN", "SELECT 1", "COMMIT"),
        *("BEGIN", "ROLLBACK", "SELECT 1/0", "BEGIN; SELECT 1/0", "COMMIT"),
    ):
        client.query(sql)
    now = measured.scrape()
    outcomes = {
        outcome: now("transactions_total", outcome=outcome)
        - before("transactions_total", outcome=outcome)
        for outcome in ("committed", "rolled_back")
    }
    assert outcomes == {"committed": 2, "rolled_back": 3}


def test_latencies(measured: Measured) -> None:
    client = measured()
    for _ in range(3):
        client.query("SELECT 1")
    client.ask(parse("", "SELECT 1"), bind(""), execute(), SYNC)
    now = measured.scrape()
    for name in ("query_response_latency", "query_database_response_latency"):
        assert now(f"{name}_seconds_count") == 4
        assert now(f"{name}_seconds_bucket", le="+Inf") == 4
        assert now(f"{name}_seconds_bucket", le="120.0") == 4
        assert 0 < now(f"{name}_seconds_sum") < 4 * 120
    assert now("query_database_response_latency_seconds_sum") <= now(
        "query_response_latency_seconds_sum"
    )


CLOCK: Final = 0.002  # seconds; the wait is by uvloop's clock, of whole milliseconds


def test_a_wait_for_a_connection_is_the_client_s_and_not_the_database_s(
    measure: Measure,
) -> None:
    proxy = measure(1)
    holder, other = proxy(), proxy()
    holder.query("BEGIN")
    other.send(query("SELECT 1"))
    proxy.comes_to_tell(1, "borrow_queue_length")
    before = proxy.scrape()
    holder.query("COMMIT")
    other.reply()
    now = proxy.scrape()
    waits, asks, answers = (
        now(f"{name}_seconds_sum") - before(f"{name}_seconds_sum")
        for name in (
            "database_connections_borrow_latency",
            "query_response_latency",
            "query_database_response_latency",
        )
    )
    assert waits > 0
    assert asks > waits - CLOCK
    assert asks > answers > 0


def test_bytes(measured: Measured) -> None:
    def counted(reply: Reply) -> int:
        return sum(len(message.body) + 5 for message in reply.messages)

    client = measured()
    sides = [
        (side, direction)
        for side in ("client", "database")
        for direction in ("received", "sent")
    ]
    now = measured.scrape()
    assert {now("bytes_total", side=s, direction=d) for s, d in sides} == {0}
    sent = query("SELECT repeat('x', 100000)")
    received = counted(client.ask(sent))
    now = measured.scrape()
    assert [now("bytes_total", side=s, direction=d) for s, d in sides] == [
        len(sent),
        received,
        received,
        len(sent),
    ]


def test_verdicts(measured: Measured) -> None:
    client = measured()
    texts = ["SELECT 1", "SELECT 1", "SELECT 22"]
    for text in texts:
        client.query(text)
    client.ask(parse("", texts[0]), parse("", "SELECT 333"), SYNC)
    now = measured.scrape()
    assert now("verdict_cache_hits_total") == 2
    assert now("verdict_cache_misses_total") == 3
    assert now("verdict_cache_texts") == 3
    assert now("verdict_cache_bytes") == 8 + 9 + 10 + 3 * OVERHEAD


def test_statements_prepared_once_more(measured: Measured) -> None:
    swapped = Swapped(measured.clients)
    swapped.prepare("s", ECHO)
    assert measured.tells("prepared_statements_reparsed_total") == 0
    for number in range(4):
        swapped.run("s", str(number))
    assert measured.tells("prepared_statements_reparsed_total") == 1
    assert len(swapped.pids) == 2


def test_build(measured: Measured) -> None:
    python = platform.python_version()
    assert measured.tells("build_info", version=__version__, python=python) == 1
