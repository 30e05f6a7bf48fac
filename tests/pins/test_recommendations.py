"""The first recommendation for each case that users meet, by SQL and application."""

from typing import NamedTuple

import pytest

from pinwatch.pins.advice import advice
from pinwatch.pins.verdict import verdict


class Case(NamedTuple):
    """SQL of a client, and how the one line of advice about it begins.

    application is the client's application_name.
    """

    sql: str
    begins: str
    application: str = ""


CASES = {
    "search_path per tenant": Case(
        "SET search_path TO tenant_42, public",
        "For one schema per tenant, qualify table names with the schema",
    ),
    "search_path per tenant, for a transaction": Case(
        "SET LOCAL search_path TO tenant_42",
        "For one schema per tenant, qualify table names with the schema",
    ),
    "search_path per tenant, by function": Case(
        "SELECT set_config('search_path', $1, true)",
        "For one schema per tenant, qualify table names with the schema",
    ),
    "SET SCHEMA": Case(
        "SET SCHEMA 'tenant_42'",
        "For one schema per tenant, qualify table names with the schema",
    ),
    "SET LOCAL of a planner setting": Case(
        "SET LOCAL enable_nestloop = off",
        "Attach the setting to a function that runs the query",
    ),
    "memory of one query": Case(
        "SET work_mem = '256MB'", "Attach the setting to a function that runs the query"
    ),
    "planner setting, by function": Case(
        "SELECT set_config('random_page_cost', '1.1', true)",
        "Attach the setting to a function that runs the query",
    ),
    "JIT": Case(
        "SET jit = off", "Attach the setting to a function that runs the query"
    ),
    "SET ROLE": Case("SET ROLE reporting", "Log in as that role"),
    "SET LOCAL ROLE": Case("SET LOCAL ROLE web_anon", "Log in as that role"),
    "RESET ROLE": Case("RESET ROLE", "Log in as that role"),
    "role by function": Case(
        "SELECT set_config('role', $1, true)", "Log in as that role"
    ),
    "SESSION AUTHORIZATION": Case(
        "SET SESSION AUTHORIZATION app", "Log in as that role"
    ),
    "statement_timeout": Case(
        "SET statement_timeout = '5s'",
        "Set it on the role: ALTER ROLE app SET statement_timeout",
    ),
    "statement_timeout in milliseconds": Case(
        "SET SESSION statement_timeout = 5000",
        "Set it on the role: ALTER ROLE app SET statement_timeout",
    ),
    "lock_timeout": Case(
        "SET lock_timeout = '2s'", "Set it on the role: ALTER ROLE app SET lock_timeout"
    ),
    "idle_in_transaction_session_timeout": Case(
        "SET idle_in_transaction_session_timeout = '1min'",
        "Set it on the role: ALTER ROLE app SET statement_timeout",
    ),
    "lock_timeout in a migration": Case(
        "SET lock_timeout = '2s'", "Run migrations past the proxy", "alembic"
    ),
    "Alembic": Case(
        "SET search_path TO app", "Run migrations past the proxy", "alembic upgrade"
    ),
    "Django's migrate": Case(
        "SET statement_timeout = 0",
        "Run migrations past the proxy",
        "manage.py migrate",
    ),
    "Django's sequences": Case(
        "SELECT setval(pg_get_serial_sequence('\"shop_order\"','id'), "
        'coalesce(max("id"), 1), max("id") IS NOT null) FROM "shop_order"',
        "Run migrations and fixtures past the proxy",
    ),
    "Rails' lock of migrations": Case(
        "SELECT pg_try_advisory_lock(5843596595875314990)",
        "Run migrations past the proxy",
    ),
    "Rails' unlock of migrations": Case(
        "SELECT pg_advisory_unlock(5843596595875314990)",
        "Run migrations past the proxy",
    ),
    "Rails, by its program": Case(
        "SET statement_timeout = 0", "Run migrations past the proxy", "rake db:migrate"
    ),
    "Flyway": Case(
        "SET ROLE 'app'", "Run migrations past the proxy", "Flyway by Redgate"
    ),
    "Flyway's lock": Case(
        "SELECT pg_try_advisory_lock(77431708279161)",
        "Run migrations past the proxy",
    ),
    "Alembic's script in one message": Case(
        "SET lock_timeout = '2s'; ALTER TABLE orders ADD note text; "
        "UPDATE alembic_version SET version_num='b'",
        "Run migrations past the proxy",
    ),
    "Liquibase": Case("RESET ALL", "Run migrations past the proxy", "liquibase"),
    "a nightly job": Case(
        "SET work_mem = '2GB'",
        "Run jobs that pin past the proxy",
        "nightly-report",
    ),
    "dbt": Case(
        "CREATE TEMP TABLE t (id int)", "Run jobs that pin past the proxy", "dbt"
    ),
    "a dump that is restored": Case(
        "SET statement_timeout = 0;\nSET lock_timeout = 0;\n"
        "SET client_encoding = 'UTF8'",
        "Restore dumps past the proxy",
    ),
    "setting for row-level security": Case(
        "SET app.tenant_id = '42'",
        "Set it inside a function that each transaction calls first",
    ),
    "setting for row-level security, in a transaction": Case(
        "SET LOCAL app.tenant_id = '42'",
        "Set it inside a function that each transaction calls first",
    ),
    "setting for row-level security, by function": Case(
        "SELECT set_config('app.tenant_id', $1, true)",
        "Set it inside a function that each transaction calls first",
    ),
    "setting whose name is a parameter": Case(
        "SELECT set_config($1, $2, true)",
        "For a custom setting, as of row-level security, let a function of your own",
    ),
    "asyncpg at release": Case(
        "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
        "The pool resets each connection that is released. Give create_pool",
    ),
    "pgjdbc at connect": Case(
        "SET extra_float_digits = 3", "pgjdbc sends this after connecting"
    ),
    "Rails at connect": Case(
        "SET client_min_messages TO 'warning'",
        "Rails sends this on each new connection",
    ),
    "Django at connect": Case(
        "SELECT set_config('TimeZone', 'UTC', false)",
        "Django sends this where the server reports another TimeZone",
    ),
    "Sequelize at connect": Case(
        "SET client_min_messages TO warning;SET TIME ZONE INTERVAL '+00:00' HOUR TO "
        "MINUTE;",
        "Sequelize sends this on each new connection",
    ),
    "Npgsql at release": Case(
        "DISCARD ALL", "Npgsql's pool resets each connection that is closed"
    ),
    "DBD::Pg": Case("DEALLOCATE dbdpg_p123_1", "DBD::Pg drops each prepared statement"),
    "a parameter that startup takes": Case(
        "SET TIME ZONE 'Europe/Berlin'", "Send it as a startup parameter"
    ),
    "application_name": Case(
        "SET application_name = 'worker-7'", "Send it as a startup parameter"
    ),
    "isolation level": Case(
        "SET default_transaction_isolation = 'serializable'",
        "Begin the transaction with it: BEGIN ISOLATION LEVEL",
    ),
    "commit without waiting": Case(
        "SET LOCAL synchronous_commit = off",
        "Set it on a role for such writes",
    ),
    "any other setting": Case(
        "SET bytea_output = 'escape'", "Set it where it holds for every connection"
    ),
    "advisory lock for a short time": Case(
        "SELECT pg_advisory_lock(7)", "Take pg_advisory_xact_lock"
    ),
    "its unlock": Case("SELECT pg_advisory_unlock(7)", "Take pg_advisory_xact_lock"),
    "advisory lock for a long job": Case(
        "SELECT pg_try_advisory_lock(7)", "For a job of more than seconds"
    ),
    "temporary table from a query": Case(
        "CREATE TEMP TABLE top AS SELECT id FROM orders", "Use a CTE"
    ),
    "SELECT INTO TEMP": Case("SELECT id INTO TEMP top FROM orders", "Use a CTE"),
    "temporary table for values": Case(
        "CREATE TEMPORARY TABLE ids (id bigint) ON COMMIT DROP",
        "Bind the values as an array parameter",
    ),
    "temporary view": Case("CREATE TEMP VIEW v AS SELECT 1", "Use a CTE"),
    "cursor": Case(
        "DECLARE c CURSOR FOR SELECT * FROM orders", "Fetch through the protocol"
    ),
    "cursor with hold": Case(
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders", "Page by key"
    ),
    "LISTEN": Case("LISTEN jobs", "Listen on one connection past the proxy"),
    "sequence of an entity": Case(
        "select nextval('orders_seq')", "Let a column default draw the number"
    ),
    "setval": Case(
        "SELECT setval('orders_id_seq', 100)", "Use ALTER SEQUENCE ... RESTART"
    ),
    "currval": Case(
        "SELECT currval('orders_id_seq')", "Read the number with INSERT ... RETURNING"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_first_recommendation(case: Case) -> None:
    found = verdict(case.sql.encode())
    given = advice(found, found.by_certainty[0], case.application)
    assert given.text.startswith(case.begins)


def test_general_advice_on_settings_fits_no_case_but_its_own() -> None:
    other = verdict(b"SET bytea_output = 'escape'")
    general = advice(other, other.findings[0]).text
    same = [
        name
        for name, case in CASES.items()
        for found in [verdict(case.sql.encode())]
        if advice(found, found.by_certainty[0], case.application).text == general
    ]
    assert same == ["any other setting"]


@pytest.mark.parametrize(
    "application",
    ["", "shop", "psql", "web-migrant", "puma: cluster worker 0", "reporting-api"],
)
def test_other_applications_change_nothing(application: str) -> None:
    found = verdict(b"SET work_mem = '256MB'")
    assert advice(found, found.findings[0], application) == advice(
        found, found.findings[0]
    )
