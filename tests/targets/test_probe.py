"""Probes find state that functions, triggers and DO blocks leave unseen."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pinwatch.events import SessionPinned, StateLeaked
from tests.harness import Proxies, RunningProxy
from tests.wireclient import SYNC, Reply, WireClient, bind, call, execute, parse

LEAKS = {
    "setting": ("PERFORM set_config('app.tenant', '42', false)", "app.tenant", "42"),
    "work_mem": ("SET work_mem = '77MB'", "work_mem", "77MB"),
    "search_path": ("SET search_path = 'evil'", "search_path", "evil"),
    "timeout": ("SET statement_timeout = '1ms'", "statement_timeout", "1ms"),
    "encoding": ("SET client_encoding = 'LATIN1'", "client_encoding", "LATIN1"),
    "isolation": (
        "SET default_transaction_isolation = 'serializable'",
        "default_transaction_isolation",
        "serializable",
    ),
    "role": ("SET ROLE pg_monitor", "role", "pg_monitor"),
    "session_authorization": (
        "SET SESSION AUTHORIZATION guest",
        "session_authorization",
        "guest",
    ),
    "prepared_statement": (
        "EXECUTE 'PREPARE ps AS SELECT 1'",
        "ps",
        "PREPARE ps AS SELECT 1",
    ),
    "temporary_object": ("CREATE TEMPORARY TABLE cart (id int)", "cart", ""),
    "cursor": (
        "EXECUTE 'DECLARE cur CURSOR WITH HOLD FOR SELECT 1'",
        "cur",
        "DECLARE cur CURSOR WITH HOLD FOR SELECT 1",
    ),
    "channel": ("LISTEN news", "news", ""),
    "advisory_lock": ("PERFORM pg_advisory_lock(-7)", "-7", ""),
    "advisory_lock of two keys": ("PERFORM pg_advisory_lock(1, -2)", "1, -2", ""),
}
"""By case: the statement in PL/pgSQL, and the name and value of what it leaves."""
KINDS = {
    "work_mem": "setting",
    "search_path": "setting",
    "timeout": "setting",
    "encoding": "setting",
    "isolation": "setting",
    "advisory_lock of two keys": "advisory_lock",
}
SCHEMA = """
CREATE SCHEMA app;
CREATE FUNCTION app.leak() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {0}; END $$;
CREATE FUNCTION app.outer_one() RETURNS void LANGUAGE sql AS $$ SELECT app.leak() $$;
CREATE TABLE app.orders (id int PRIMARY KEY);
CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN {0}; RETURN new; END $$;
CREATE TRIGGER audit AFTER INSERT ON app.orders
    FOR EACH ROW EXECUTE FUNCTION app.audit();
"""
STATEMENTS = {
    "direct": ("SELECT app.leak()", "app.leak()"),
    "nested": ("SELECT app.outer_one()", "app.leak()"),
    "trigger": ("INSERT INTO app.orders VALUES (1)", "app.audit()"),
    "DO": ("DO $$ BEGIN {0}; END $$", "DO"),
}


@pytest.fixture(scope="module", autouse=True)
def guest(postgres: Any) -> Iterator[None]:
    with postgres.connect() as direct:
        direct.execute("CREATE ROLE guest")
        yield
        direct.execute("DROP ROLE guest")


def extended(client: WireClient, sql: str) -> Reply:
    return client.ask(parse("", sql), bind(""), execute(), SYNC)


def leaks(proxy: RunningProxy) -> list[StateLeaked]:
    proxy.run(proxy.proxy.probes_done())
    return proxy.happened(StateLeaked)


def found(proxy: RunningProxy) -> list[tuple[str, str, str]]:
    return [(leak.kind, leak.name, leak.value) for leak in leaks(proxy)]


def oid(direct: psycopg.Connection[Any], function: str) -> int:
    (found,) = direct.execute("SELECT %s::regproc::oid", [function]).fetchone() or (0,)
    return int(found)


@pytest.mark.parametrize("case", LEAKS)
def test_every_kind_by_every_way(
    case: str, proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    code, name, value = LEAKS[case]
    kind = KINDS.get(case, case)
    direct.execute(SCHEMA.format(code).encode())
    for way, (written, function) in STATEMENTS.items():
        for send in (WireClient.query, extended):
            if way == "trigger":
                direct.execute("DELETE FROM app.orders")
            running = proxy(1, hidden_state="report")
            statement = written.format(code)
            with WireClient.login(running.endpoint()) as client:
                assert not send(client, statement).errors
                (leak,) = leaks(running)
            assert (leak.kind, leak.name, leak.value) == (kind, name, value)
            assert (leak.function, leak.statement) == (function, statement)
            assert not running.happened(SessionPinned)
            running.stop()
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        assert not client.ask(call(oid(direct, "app.leak"))).errors
        (leak,) = leaks(running)
    assert (leak.kind, leak.name, leak.value) == (kind, name, value)
    assert (leak.function, leak.statement) == ("app.leak()", "FunctionCall app.leak()")
