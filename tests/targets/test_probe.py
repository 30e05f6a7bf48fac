"""Probes find state that functions, triggers and DO blocks leave unseen."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg
import pytest

from pinwatch.cli.database import follower
from pinwatch.events import SessionPinned, StateLeaked, UnseenCodeRuns
from pinwatch.hidden.wording import kind_of
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.relay.suspects import MAX_SUSPECTS
from pinwatch.targets.probe import MAX_LEAKS
from tests.harness import Postgres, Proxies, RunningProxy, eventually
from tests.wireclient import (
    SYNC,
    Reply,
    Value,
    WireClient,
    bind,
    call,
    execute,
    parse,
    query,
)


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


@pytest.fixture(scope="module", autouse=True)
def guest(postgres: Any) -> Iterator[None]:
    with postgres.connect() as direct:
        direct.execute("CREATE ROLE guest LOGIN")
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
    (found,) = direct.execute(
        "SELECT %s::regprocedure::oid", [function]
    ).fetchone() or (0,)
    return int(found)


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


SAFE = """
CREATE SCHEMA app;
CREATE FUNCTION app.local(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', t, true); END $$;
CREATE FUNCTION app.own() RETURNS text LANGUAGE sql SET app.tenant = '42'
    AS $$ SELECT current_setting('app.tenant') $$;
CREATE FUNCTION app.set_local() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN SET LOCAL work_mem = '77MB'; END $$;
CREATE FUNCTION app.dropped() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN CREATE TEMPORARY TABLE cart (id int) ON COMMIT DROP; END $$;
CREATE FUNCTION app.xact_lock() RETURNS void LANGUAGE sql
    AS $$ SELECT pg_advisory_xact_lock(1) $$;
CREATE FUNCTION app.leak() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', '42', false); END $$;
CREATE FUNCTION app.fail() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', '42', false); RAISE 'no'; END $$;
"""
LEAK = ("setting", "app.tenant", "42")


@pytest.fixture(autouse=True)
def no_probe_fails(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A probe that fails finds no leaks, as if there were none."""
    yield
    if "failed" not in request.node.name and "ends" not in request.node.name:
        assert "could not be probed" not in caplog.text


@pytest.fixture
def schema(direct: psycopg.Connection[Any]) -> None:
    direct.execute(SAFE.encode())


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT app.local('42')",
        "SELECT app.own()",
        "SELECT app.set_local()",
        "SELECT app.dropped()",
        "SELECT app.xact_lock()",
        "SELECT app.fail()",
        "BEGIN; SELECT app.leak(); ROLLBACK",
        "BEGIN; SELECT app.local('42'); SELECT app.own(); COMMIT",
        "DO $$ BEGIN PERFORM set_config('app.tenant', '42', true); END $$",
    ],
)
def test_what_ends_with_the_transaction_is_no_leak(
    statement: str, proxy: Proxies
) -> None:
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        client.query(statement)
        assert not leaks(running)
    assert running.happened(UnseenCodeRuns)


@pytest.mark.usefixtures("schema")
def test_the_settings_of_role_init_query_and_client_are_no_leaks(
    proxy: Proxies, postgres: Postgres, database: str
) -> None:
    with postgres.connect(database) as direct:
        direct.execute("ALTER ROLE guest SET lock_timeout = '1min'")
        direct.execute("GRANT USAGE ON SCHEMA app TO guest")
    pool = {"init_query": "SET work_mem = '55MB'; SET datestyle TO german"}
    running = proxy(1, hidden_state="report", connection_pool=pool)
    for given in (
        {},
        {"TimeZone": "europe/berlin", "DateStyle": "ISO"},
        {"search_path": "app, public", "extra_float_digits": "2"},
        {"application_name": "é", "client_encoding": "utf-8"},
    ):
        endpoint = running.endpoint("guest")
        with WireClient.login(endpoint, **given) as client:
            assert not client.query("SELECT app.local('1')").errors
            assert not leaks(running)
    running.stop()


def test_a_setting_that_is_set_to_its_default_is_no_leak(proxy: Proxies) -> None:
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        client.query("DO $$ BEGIN SET enable_seqscan = on; SET app.t = ''; END $$")
        assert not leaks(running)


def test_a_reset_of_what_the_init_query_or_the_client_set(
    postgres_16: Postgres,
) -> None:
    """PostgreSQL 16 does not report search_path, so the next client would miss it."""
    pool = {"init_query": "SET work_mem = '55MB'"}
    with postgres_16.new_database() as database, ExitStack() as stack:
        proxies = Proxies(postgres_16, database, stack)
        running = proxies(1, hidden_state="report", connection_pool=pool)
        with WireClient.login(running.endpoint(), search_path="app") as client:
            client.query("DO $$ BEGIN RESET work_mem; RESET search_path; END $$")
            assert found(running) == [
                ("setting", "search_path", '"$user", public'),
                ("setting", "work_mem", "4MB"),
            ]
            client.query("DO $$ BEGIN SET work_mem = '55MB'; END $$")
            assert len(leaks(running)) == 2


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("of_init_query", [True, False])
def test_a_custom_setting_of_the_database_is_no_leak(
    of_init_query: bool, proxy: Proxies, database: str, direct: psycopg.Connection[Any]
) -> None:
    """Its name is in a statement only, or its library is loaded later."""
    pool = {}
    if of_init_query:
        pool["init_query"] = "SET app.region = 'eu'"
    else:
        direct.execute(f"ALTER DATABASE {database} SET app.region = 'eu'".encode())
    direct.execute(
        "CREATE FUNCTION app.conflict() RETURNS text LANGUAGE sql "
        "AS $$ SELECT current_setting('plpgsql.variable_conflict', true) $$"
    )
    running = proxy(1, hidden_state="reset", connection_pool=pool)
    with WireClient.login(running.endpoint()) as client:
        for _ in range(2):
            client.query("SELECT app.local(current_setting('app.region'))")
            assert not leaks(running)


def test_a_setting_of_the_client_that_is_long_is_no_leak(proxy: Proxies) -> None:
    running = proxy(1, hidden_state="report")
    path = ", ".join(f"schema_{number}" for number in range(300))
    with WireClient.login(running.endpoint(), search_path=path) as client:
        client.query("DO $$ BEGIN END $$")
        assert not leaks(running)
        client.query(
            "DO $$ BEGIN PERFORM set_config('a.b', repeat('x', 9999), false); END $$"
        )
        (leak,) = leaks(running)
        assert leak.value == "x" * MAX_SQL


def test_settings_that_precede_a_statement_are_no_leaks(proxy: Proxies) -> None:
    """The proxy sends them and the statement in one go."""
    running = proxy(1, hidden_state="report")
    here, there = {"TimeZone": "utc"}, {"TimeZone": "asia/tokyo", "DateStyle": "ISO"}
    with (
        WireClient.login(running.endpoint(), **here) as one,
        WireClient.login(running.endpoint(), **there) as other,
    ):
        for client in (one, other, one):
            client.query("DO $$ BEGIN END $$")
            assert not leaks(running)


@pytest.mark.usefixtures("schema")
class TestAttribution:
    def test_of_a_function_that_is_new(self, proxy: Proxies) -> None:
        """Its name is looked up by the search_path that the server reported."""
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query(
                "CREATE FUNCTION leak() RETURNS text LANGUAGE sql "
                "AS $$ SELECT set_config('app.tenant', '42', false) $$"
            )
            assert not client.query("SELECT leak()").errors
            (leak,) = leaks(running)
        assert leak.function == "leak()"

    def test_of_a_name_in_the_search_path_of_each_client(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE SCHEMA one; CREATE SCHEMA two")
        for schema in ("one", "two"):
            direct.execute(
                f"CREATE FUNCTION {schema}.f() RETURNS void LANGUAGE plpgsql "
                f"AS $$ BEGIN PERFORM set_config('a.{schema}', 'x', false); END $$"
            )
        running = proxy(1, hidden_state="report")
        for schema in ("one", "two", "one, two"):
            endpoint = running.endpoint()
            with WireClient.login(endpoint, search_path=schema) as client:
                client.query(f"SELECT f() /* {schema} */")
        assert [(leak.name, leak.function) for leak in leaks(running)] == [
            ("a.one", "f()"),
            ("a.two", "f()"),
        ]

    def test_of_the_statement_in_a_transaction(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("BEGIN")
            client.query("SELECT app.own()")
            client.query("SELECT 1; SELECT app.leak() /* tag='a' */ ; SELECT 2")
            client.query("SELECT app.local('1')")
            client.query("COMMIT")
            (leak,) = leaks(running)
        numbers = {one.sql: one.statement for one in running.happened(UnseenCodeRuns)}
        assert leak.number == numbers[leak.sql]
        assert leak.statement.startswith("SELECT app.leak()")
        assert leak.path == (
            "app.leak() -> SELECT set_config('app.tenant', '42', false)"
        )
        assert leak.client == running.happened(UnseenCodeRuns)[0].client

    def test_of_code_that_cannot_be_read(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute(
            "CREATE FUNCTION app.dynamic(t text) RETURNS void LANGUAGE plpgsql "
            "AS $$ BEGIN EXECUTE t; END $$"
        )
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.dynamic('SET work_mem = ''77MB''')")
            (leak,) = leaks(running)
        assert (leak.name, leak.value) == ("work_mem", "77MB")
        assert (leak.function, leak.path) == ("function not found", "")

    def test_of_a_function_that_is_newer_than_the_connection(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.local('1')")
            direct.execute(
                "CREATE OR REPLACE FUNCTION app.local(t text) RETURNS void LANGUAGE "
                "sql AS $$ SELECT set_config('new.name', t, false) $$"
            )
            client.query("SELECT app.local('1')")
            assert found(running) == [("setting", "new.name", "1")]

    def test_of_a_call_of_postgresqls_own_function(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            function = oid(direct, "pg_advisory_lock(bigint)")
            client.ask(call(function, "5"))
            (leak,) = leaks(running)
        assert (leak.kind, leak.name) == ("advisory_lock", "5")
        assert leak.function == "pg_catalog.pg_advisory_lock()"
        assert leak.statement == "FunctionCall pg_catalog.pg_advisory_lock()"

    def test_under_hostile_operators(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute(
            "CREATE SCHEMA evil; "
            "CREATE FUNCTION evil.eq(oid, oid) RETURNS bool LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE 'it ran'; END $$; "
            "CREATE OPERATOR evil.= "
            "(leftarg = oid, rightarg = oid, procedure = evil.eq)"
        )
        running = proxy(1, hidden_state="report")
        path = "evil, pg_catalog"
        with WireClient.login(running.endpoint(), search_path=path) as client:
            client.query("SELECT app.leak()")
            assert [leak.function for leak in leaks(running)] == ["app.leak()"]

    def test_by_the_search_path_of_each_user(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE SCHEMA guest AUTHORIZATION guest")
        for schema in ("guest", "public"):
            direct.execute(
                f"CREATE FUNCTION {schema}.f() RETURNS void LANGUAGE plpgsql "
                f"AS $$ BEGIN PERFORM set_config('a.{schema}', 'x', false); END $$"
            )
        running = proxy(2, hidden_state="report")
        for user in ("postgres", "guest"):
            with WireClient.login(running.endpoint(user)) as client:
                client.query("SELECT f()")
                assert leaks(running)[-1].function == "f()"

    def test_after_many_statements(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("BEGIN")
            for tenant in range(MAX_SUSPECTS):
                client.query(f"SELECT app.local('{tenant}')")
            client.query("SELECT app.leak()")
            client.query("COMMIT")
            assert [one.statement for one in leaks(running)] == ["SELECT app.leak()"]

    def test_of_sql_that_is_too_long_to_parse(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("DO $$ BEGIN LISTEN a; END $$")
            many = "SELECT 1; " * 1_500 + "SELECT app.leak()"
            assert not client.query(many).errors
            assert found(running) == [("channel", "a", ""), LEAK]
            assert leaks(running)[1].function == "function not found"
            client.query("SELECT app.local('1') FROM")
            assert len(leaks(running)) == 2


@pytest.mark.usefixtures("schema")
class TestReporting:
    def test_once_while_the_value_stays(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            for tenant in (1, 1, 2):
                client.query(
                    f"DO $$ BEGIN PERFORM set_config('a.b', '{tenant}', false); END $$"
                )
            assert [value for _, _, value in found(running)] == ["1", "2"]

    def test_of_a_limited_number_of_states(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query(
                "DO $$ BEGIN PERFORM pg_advisory_lock(n) "
                f"FROM generate_series(1, {MAX_LEAKS + 1}) n; END $$"
            )
            assert len(leaks(running)) == MAX_LEAKS

    def test_of_the_last_statement_before_the_proxy_stops(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.leak()")
        running.stop()
        assert eventually(lambda: running.stopped)
        assert running.happened(StateLeaked)

    def test_in_another_encoding(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        endpoint, path = running.endpoint(), 'app, "é"'
        with WireClient.login(
            endpoint, search_path=path, client_encoding="LATIN1"
        ) as client:
            client.query("SELECT leak()")
            assert found(running) == [LEAK]

    def test_in_a_database_without_an_encoding(self, postgres: Postgres) -> None:
        with postgres.connect() as direct, ExitStack() as stack:
            direct.execute(
                "CREATE DATABASE bytes TEMPLATE template0 ENCODING sql_ascii"
            )
            stack.callback(postgres.drop_database, "bytes")
            with postgres.connect("bytes") as here:
                here.execute(SAFE.encode())
                here.execute(
                    b"CREATE FUNCTION app.latin() RETURNS text LANGUAGE sql "
                    b"AS $$ SELECT 'caf\xe9' $$"
                )
            running = Proxies(postgres, "bytes", stack)(1, hidden_state="report")
            with WireClient.login(running.endpoint()) as client:
                client.query("SELECT app.leak()")
                assert found(running) == [LEAK]

    def test_not_for_a_pinned_session(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SET work_mem = '1MB'")
            client.query("SELECT app.leak()")
            assert not leaks(running)
        assert not running.happened(UnseenCodeRuns)

    def test_after_a_reload(self, proxy: Proxies) -> None:
        running = proxy(1)
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.leak()")
            report = running.settings.model_copy(update={"hidden_state": "report"})
            running.run(running.proxy.reload(report))
            client.query("SELECT app.leak()")
            assert not leaks(running), "what was there before is unknown"
            client.query("SELECT app.leak()")
            assert found(running) == [LEAK]


@pytest.mark.usefixtures("schema")
class TestTheNextClient:
    def tenants(self, running: RunningProxy) -> list[Value]:
        """Return the setting and the work_mem of a client after a leak."""
        with WireClient.login(running.endpoint(), TimeZone="Asia/Tokyo") as client:
            assert not client.query("SELECT app.leak()").errors
            client.leave()
        with WireClient.login(running.endpoint()) as client:
            sql = "SELECT current_setting('app.tenant', true), current_setting('{}')"
            (row,) = client.query(sql.format("timezone")).rows
            return list(row)

    def test_sees_the_state(self, proxy: Proxies) -> None:
        for mode in ("off", "report"):
            running = proxy(1, hidden_state=mode)
            assert self.tenants(running) == ["42", "UTC"]
            running.stop()

    def test_sees_the_baseline_after_a_reset(self, proxy: Proxies) -> None:
        pool = {"init_query": "SET application_name = 'initial'"}
        running = proxy(1, hidden_state="reset", connection_pool=pool)
        assert self.tenants(running) == ["", "UTC"]
        (leak,) = leaks(running)
        assert leak.reset
        with WireClient.login(running.endpoint()) as client:
            assert client.query("SHOW application_name").value == "initial"
            client.query("SELECT app.leak()")
            assert len(leaks(running)) == 2

    def test_sees_the_baseline_after_a_probe_that_failed(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE ROLE outsider")
        direct.execute("REVOKE ALL ON pg_catalog.pg_proc FROM PUBLIC")
        try:
            running = proxy(1, hidden_state="reset")
            with WireClient.login(running.endpoint()) as client:
                client.query("DO $$ BEGIN SET ROLE outsider; END $$")
                assert not leaks(running)
                assert client.query("SELECT current_user").value == "postgres"
        finally:
            direct.execute("GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC")
            direct.execute("DROP ROLE outsider")

    def test_sees_the_baseline_after_a_reload_from_report_to_reset(
        self, proxy: Proxies
    ) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.leak()")
            assert found(running) == [LEAK]
            reset = running.settings.model_copy(update={"hidden_state": "reset"})
            running.run(running.proxy.reload(reset))
            client.query("SELECT app.leak()")
            sql = "SELECT current_setting('app.tenant', true)"
            assert client.query(sql).value == ""

    def test_waits_for_the_probe(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="reset")
        with (
            WireClient.login(running.endpoint()) as one,
            WireClient.login(running.endpoint()) as other,
        ):
            one.send(query("SELECT app.leak()"), query("BEGIN"), query("SELECT 1"))
            other.send(query("SELECT current_setting('app.tenant', true)"))
            assert [one.reply().status for _ in range(3)] == ["I", "T", "T"]
            assert one.query("COMMIT").status == "I"
            assert other.reply().value in (None, "")


@pytest.mark.usefixtures("schema")
def test_a_database_connection_that_ends_during_its_probe(
    proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        pid = client.query("SELECT pg_backend_pid()").value
        with direct.transaction():
            direct.execute("LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
            assert not client.query("SELECT app.leak()").errors
            direct.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])
        assert not leaks(running)
        assert client.query("SELECT app.leak()").kinds == "TDCZ"
        assert found(running) == [LEAK]


def test_postgresql_16(postgres_16: Postgres) -> None:
    with postgres_16.new_database() as database, ExitStack() as stack:
        running = Proxies(postgres_16, database, stack)(1, hidden_state="report")
        with WireClient.login(running.endpoint(), search_path="pg_catalog") as client:
            client.query("DO $$ BEGIN SET search_path = evil; LISTEN a; END $$")
            assert found(running) == [
                ("channel", "a", ""),
                ("setting", "search_path", "evil"),
            ]
