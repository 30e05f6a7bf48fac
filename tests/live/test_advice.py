"""The SQL that is recommended does what its advice says, on one connection for all."""

from typing import Final

import pytest

from pinwatch.pins.advice import advice
from pinwatch.pins.verdict import verdict
from tests.live.conftest import Serve
from tests.wireclient import WireClient

TABLE: Final = """CREATE TABLE orders (
    id bigint, customer_id bigint, tenant_id bigint, total numeric, placed_at date
)"""
SET_TENANT: Final = "SET app.tenant_id = '42'"
TENANT: Final = "SELECT current_setting('app.tenant_id', true)"


def recommended(sql: str) -> str:
    """Return the code to copy of the advice on a statement that pins."""
    found = verdict(sql.encode())
    return advice(found, found.findings[0]).code


def statements(code: str, beginning: str) -> str:
    """Return the statements of code up to the one with that beginning."""
    return code.partition(beginning)[0]


@pytest.fixture
def clients(serve: Serve) -> tuple[WireClient, WireClient]:
    """Two clients of a pool of one connection, which therefore never pin."""
    clients = serve(1)
    first, second = clients(), clients()
    first.query(TABLE)
    return first, second


def test_a_tenant_that_a_function_sets_ends_with_the_transaction(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    one.query(statements(recommended(SET_TENANT), "-- Without BEGIN"))
    one.query("BEGIN")
    one.query("SELECT set_tenant('42')")
    assert one.query(TENANT).value == "42"
    one.query("COMMIT")
    assert other.query(TENANT).value in (None, "")


def test_a_tenant_that_is_set_outside_a_transaction_is_lost(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, _ = clients
    one.query(statements(recommended(SET_TENANT), "-- Without BEGIN"))
    one.query("SELECT set_tenant('42')")
    assert one.query(TENANT).value in (None, "")


def test_a_tenant_that_is_set_with_false_leaks_to_the_next_client(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    code = statements(recommended(SET_TENANT), "-- Without a tenant")
    one.query(code.replace("tenant, true)", "tenant, false)"))
    one.query("SELECT set_tenant('42')")
    assert other.query(TENANT).value == "42"


def test_the_policy_shows_no_row_without_a_tenant(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    one.query(statements(recommended(SET_TENANT), "-- Without BEGIN"))
    one.query(
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; "
        "INSERT INTO orders (tenant_id) VALUES (41), (42); "
        "CREATE ROLE pinwatch_reader; GRANT SELECT ON orders TO pinwatch_reader; "
    )
    try:
        count = """CREATE FUNCTION visible() RETURNS bigint LANGUAGE sql
            SECURITY DEFINER AS $$ SELECT count(*) FROM orders $$;
            ALTER FUNCTION visible OWNER TO pinwatch_reader"""
        one.query(count)
        one.query("BEGIN")
        one.query("SELECT set_tenant('42')")
        assert one.query("SELECT visible()").value == "1"
        one.query("COMMIT")
        assert other.query("SELECT visible()").value == "0"
    finally:
        one.query("DROP OWNED BY pinwatch_reader CASCADE; DROP ROLE pinwatch_reader")


def test_a_setting_of_any_name_ends_with_the_transaction(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    one.query(statements(recommended("SELECT set_config($1, $2, true)"), "BEGIN;"))
    one.query("BEGIN")
    one.query("SELECT set_for_transaction('app.tenant_id', '42')")
    assert one.query(TENANT).value == "42"
    one.query("COMMIT")
    assert other.query(TENANT).value in (None, "")


def test_a_setting_of_a_function_ends_with_the_call(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    before = one.query("SHOW work_mem").value
    one.query(statements(recommended("SET LOCAL work_mem = '1GB'"), "-- For all"))
    assert one.query("SELECT revenue('2026-01-01')").value is None
    assert other.query("SHOW work_mem").value == before


def test_a_lock_of_a_transaction_ends_with_it(
    clients: tuple[WireClient, WireClient],
) -> None:
    one, other = clients
    one.query("BEGIN")
    one.query("SELECT pg_advisory_xact_lock(hashtextextended('invoice 42', 0))")
    one.query("COMMIT")
    assert (
        other.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").value
        == "0"
    )
