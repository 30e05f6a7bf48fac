"""Probes find hidden state, and nothing else."""

from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from pinwatch.events import UnseenCodeRuns
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.targets.probe import MAX_LEAKS
from tests.harness import Postgres, Proxies
from tests.targets.leaking import LEAK, SAFE, found, leaks
from tests.wireclient import WireClient

pytestmark = pytest.mark.usefixtures("no_probe_fails")


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


@pytest.mark.usefixtures("guest", "schema")
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
class TestReports:
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


def test_postgresql_16(postgres_16: Postgres) -> None:
    with postgres_16.new_database() as database, ExitStack() as stack:
        running = Proxies(postgres_16, database, stack)(1, hidden_state="report")
        with WireClient.login(running.endpoint(), search_path="pg_catalog") as client:
            client.query("DO $$ BEGIN SET search_path = evil; LISTEN a; END $$")
            assert found(running) == [
                ("channel", "a", ""),
                ("setting", "search_path", "evil"),
            ]
