"""Pins on real connections, read from the session's own state."""

from typing import Any

import psycopg
import pytest

from pinwatch import events
from pinwatch.pins.profiles import Profile
from pinwatch.pins.verdict import Verdict
from pinwatch.proxy import proxy as proxy_module
from pinwatch.wire.messages import COPY_IN_RESPONSE, READY_FOR_QUERY
from tests.harness import Endpoint, RunningProxy, eventually
from tests.live.conftest import Serve
from tests.pins.cases import PINS
from tests.wireclient import SYNC, WireClient, bind, execute, parse, query

PROTOCOLS = {
    "simple": lambda sql: query(sql),
    "extended": lambda sql: parse("", sql) + bind("") + execute() + SYNC,
    "named": lambda sql: parse("s", sql) + bind("s") + execute() + SYNC,
}


def pins(proxy: RunningProxy, sent: bytes) -> tuple[bool, str | None]:
    """Return whether a new client is pinned after sending this, and by which rule."""
    with WireClient.login(proxy.endpoint()) as client:
        client.send(sent)
        while client.receive().kind not in (READY_FOR_QUERY, COPY_IN_RESPONSE):
            pass
        (session,) = proxy.proxy.sessions
        found = session.pinning
        state = found.pinned, next(iter(found.rules), None)
        client.leave()
    eventually(lambda: not proxy.clients)
    return state


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_case(serve: Serve, protocol: str) -> None:
    """The server may report an error, since a pin outlives a failure."""
    proxy = serve(2).proxy
    wrong = []
    for case in PINS:
        found = pins(proxy, PROTOCOLS[protocol](case["sql"]))
        if found != (case["pins"], case["rule"]):
            wrong.append((case["sql"], found))
    assert wrong == []


def test_a_pinned_session_keeps_its_process(serve: Serve) -> None:
    clients = serve(3)
    pinned, others = clients(), clients.rivals()
    pinned.query("SET search_path TO pg_catalog")
    processes = set()
    for _ in range(3):
        others.swap()
        processes.add(pinned.query("SELECT pg_backend_pid()").value)
    assert len(processes) == 1
    assert pinned.query("SHOW search_path").value == "pg_catalog"


def test_a_statement_that_cannot_be_judged_is_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(sql: bytes, profile: Profile) -> Verdict:
        raise MemoryError

    monkeypatch.setattr(proxy_module, "judge", judge)
    client = serve(1)()
    sql = f"SELECT 'nextval(' WHERE 1 IN (1{', 1' * 1_000})"
    for _ in range(2):
        assert client.query(sql).value == "nextval("
    assert caplog.text.count("could not be judged") == 1


def test_session_state_does_not_reach_the_next_client(serve: Serve) -> None:
    clients = serve(1)
    first = clients(TimeZone="Asia/Tokyo")
    first.query("SET search_path TO pg_catalog; SET TimeZone TO 'America/Lima'")
    first.query("CREATE TEMP TABLE left_behind ()")
    process = first.query("SELECT pg_backend_pid()").value
    first.leave()
    second = clients()
    assert second.query("SELECT pg_backend_pid()").value == process
    assert second.query("SHOW search_path").value == '"$user", public'
    assert second.query("SHOW TimeZone").value == "UTC"
    assert second.query("SELECT to_regclass('left_behind')").value is None


@pytest.mark.parametrize("rolled_back", [True, False])
def test_a_pin_outlives_its_transaction(serve: Serve, rolled_back: bool) -> None:
    clients = serve(1)
    client = clients()
    client.query("BEGIN")
    client.query("SET LOCAL work_mem = '1MB'")
    client.query("ROLLBACK" if rolled_back else "COMMIT")
    (session,) = clients.proxy.proxy.sessions
    assert session.pinning.pinned
    assert session.connection is not None
    (pinned,) = clients.proxy.happened(events.SessionPinned)
    assert isinstance(pinned, events.SessionPinned)
    assert pinned.transaction_status == "T"


def test_prepared_in_the_protocol_and_used_in_sql(serve: Serve) -> None:
    """The results are the same as without a proxy."""
    clients = serve(2)
    client, others = clients(), clients.rivals()
    client.ask(parse("s", "SELECT $1::int + 1", 23), SYNC)
    others.swap()
    assert client.query("EXECUTE s(41)").value == "42"
    assert client.run("s", "1").value == "2"
    assert client.query("DEALLOCATE s").tags == ["DEALLOCATE"]
    assert client.run("s", "1").errors[0][1] == "26000"


def test_psycopg_deallocates_by_its_own_names(serve: Serve) -> None:
    """psycopg deallocates its least recently used statement above a limit."""
    endpoint: Endpoint = serve(2).proxy.endpoint()
    with psycopg.connect(endpoint.dsn, autocommit=True) as connection:
        connection.prepare_threshold = 0
        connection.prepared_max = 2
        answers: list[Any] = [
            connection.execute(f"SELECT %s + {n}", (n,)).fetchone() for n in range(5)
        ]
    assert answers == [(2 * n,) for n in range(5)]
