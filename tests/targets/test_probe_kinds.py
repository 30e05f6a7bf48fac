"""Each kind of hidden state is found, however it is left."""

from typing import Any, NamedTuple

import psycopg
import pytest

from pinwatch.cli.database import follower
from pinwatch.events import SessionPinned
from pinwatch.hidden.wording import kind_of
from tests.harness import Proxies
from tests.targets.leaking import leaks, oid
from tests.wireclient import SYNC, Reply, WireClient, bind, call, execute, parse

pytestmark = pytest.mark.usefixtures("guest", "no_probe_fails")


class Case(NamedTuple):
    """A statement in PL/pgSQL, and the state that it leaves."""

    code: str
    kind: str
    name: str
    value: str = ""


CASES = (
    Case("PERFORM set_config('app.t', '42', false)", "setting", "app.t", "42"),
    Case("SET work_mem = '77MB'", "setting", "work_mem", "77MB"),
    Case("SET search_path = 'evil'", "setting", "search_path", "evil"),
    Case("SET statement_timeout = '1ms'", "setting", "statement_timeout", "1ms"),
    Case("SET client_encoding = 'LATIN1'", "setting", "client_encoding", "LATIN1"),
    Case(
        "SET default_transaction_isolation = 'serializable'",
        "setting",
        "default_transaction_isolation",
        "serializable",
    ),
    Case("SET transaction_timeout = '1h'", "setting", "transaction_timeout", "1h"),
    Case("SET ROLE pg_monitor", "role", "role", "pg_monitor"),
    Case(
        "SET SESSION AUTHORIZATION guest",
        "session_authorization",
        "session_authorization",
        "guest",
    ),
    Case(
        "EXECUTE 'PREPARE ps AS SELECT 1'",
        "prepared_statement",
        "ps",
        "PREPARE ps AS SELECT 1",
    ),
    Case("CREATE TEMPORARY TABLE cart (id int)", "temporary_object", "cart"),
    Case(
        "EXECUTE 'DECLARE cur CURSOR WITH HOLD FOR SELECT 1'",
        "cursor",
        "cur",
        "DECLARE cur CURSOR WITH HOLD FOR SELECT 1",
    ),
    Case("LISTEN news", "channel", "news"),
    Case("PERFORM pg_advisory_lock(-7)", "advisory_lock", "-7"),
    Case("PERFORM pg_advisory_lock(1, -2)", "advisory_lock", "1, -2"),
)
SCHEMA = """
CREATE SCHEMA app;
CREATE FUNCTION app.leak() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {0}; END $$;
CREATE FUNCTION app.outer_one() RETURNS void LANGUAGE sql AS $$ SELECT app.leak() $$;
CREATE TABLE app.orders (id serial);
CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN {0}; RETURN new; END $$;
CREATE TRIGGER audit AFTER INSERT ON app.orders
    FOR EACH ROW EXECUTE FUNCTION app.audit();
"""
STATEMENTS = (
    ("SELECT app.leak()", "app.leak()"),
    ("SELECT app.outer_one()", "app.leak()"),
    ("INSERT INTO app.orders DEFAULT VALUES", "app.audit()"),
    ("DO $$ BEGIN {0}; END $$", "DO"),
)
"""Statements that run the code of a case, and the functions that leave the state."""


def extended(client: WireClient, sql: str) -> Reply:
    return client.ask(parse("", sql), bind(""), execute(), SYNC)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_every_kind_by_every_way(
    case: Case, proxy: Proxies, direct: psycopg.Connection[Any], target: str
) -> None:
    direct.execute(SCHEMA.format(case.code).encode())
    running = proxy(1, hidden_state="reset")
    reader = follower(target)
    expected = []
    with WireClient.login(running.endpoint()) as client:
        for written, function in STATEMENTS:
            statement = written.format(case.code)
            assert not client.query(statement).errors
            assert not extended(client, statement).errors
            expected += [(*case[1:], function, statement)] * 2
            (path,) = reader.follow(statement).paths
            assert kind_of(path.left.kind, path.left.name) == case.kind
            assert (path.left.name, path.functions[-1]) == (case.name, function)
        assert not client.ask(call(oid(direct, "app.leak()"))).errors
        expected.append((*case[1:], "app.leak()", "FunctionCall app.leak()"))
        assert [
            (leak.kind, leak.name, leak.value, leak.function, leak.statement)
            for leak in leaks(running)
        ] == expected
    assert not running.happened(SessionPinned)
