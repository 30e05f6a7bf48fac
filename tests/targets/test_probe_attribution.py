"""A leak names the statement and the function that left it."""

from typing import Any

import psycopg
import pytest

from pinwatch.events import UnseenCodeRuns
from pinwatch.relay.suspects import MAX_SUSPECTS
from tests.harness import Proxies
from tests.targets.leaking import LEAK, found, leaks, oid
from tests.wireclient import WireClient, call

pytestmark = pytest.mark.usefixtures("no_probe_fails")


def create_leaking(direct: psycopg.Connection[Any], schema: str) -> None:
    """Create a function f that leaves a setting with the name of its schema."""
    direct.execute(
        f"CREATE FUNCTION {schema}.f() RETURNS void LANGUAGE plpgsql "
        f"AS $$ BEGIN PERFORM set_config('a.{schema}', 'x', false); END $$"
    )


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
            create_leaking(direct, schema)
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

    @pytest.mark.usefixtures("guest")
    def test_by_the_search_path_of_each_user(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE SCHEMA guest AUTHORIZATION guest")
        for schema in ("guest", "public"):
            create_leaking(direct, schema)
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
