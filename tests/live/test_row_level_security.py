"""docs/row-level-security.md: each row of its table, on one database connection.

The SQL is that of the page, through pinwatch and through PgBouncer. pinwatch reports
the patterns that leak.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from pinwatch.events import SessionPinned, StateLeaked
from tests.harness import Endpoint, Postgres
from tests.live.conftest import Serve
from tests.pgbouncer import pgbouncer
from tests.wireclient import SYNC, Reply, WireClient, bind, execute, parse

PAGE: Final = (Path(__file__).parents[2] / "docs" / "row-level-security.md").read_text()
ROLES: Final = "app", "tenant_42", "tenant_43", "tenants"
ROW: Final = re.compile(
    r"^\| (?P<pattern>[^|]+) \| (?P<given>.*)`(?P<code>[^`|]+)` "
    r"\| (?P<rds_proxy>pins|leaks|safe) \| (certain|probable|judged)\b[^|]* "
    r"\| (?P<pgbouncer>leaks|safe) \|$",
    re.MULTILINE,
)

Send = Callable[[WireClient, str], Reply]


def simple(client: WireClient, sql: str) -> Reply:
    return client.query(sql)


def extended(client: WireClient, sql: str) -> Reply:
    return client.ask(parse("", sql), bind(""), execute(), SYNC)


@dataclass(frozen=True, slots=True)
class Row:
    """A pattern, the SQL or the login that names tenant 42, and what the page says."""

    pattern: str
    code: str
    is_login: bool
    rds_proxy: str
    pgbouncer: str

    @property
    def is_condition(self) -> bool:
        """Return True if the statement itself chooses the rows."""
        return "$1" in self.code

    def user(self, tenant: str) -> str:
        return f"tenant_{tenant}" if self.is_login else "app"

    def orders(self, tenant: str) -> str:
        """Return the query of a client that serves this tenant."""
        if self.is_condition:
            return self.code.replace("$1", tenant)
        return "SELECT tenant_id FROM orders"


ROWS: Final = [
    Row(
        found["pattern"],
        found["code"],
        found["given"].startswith("log in"),
        found["rds_proxy"],
        found["pgbouncer"],
    )
    for found in ROW.finditer(PAGE)
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.pattern)
each_protocol = pytest.mark.parametrize("send", [simple, extended])


@pytest.fixture
def page(direct: psycopg.Connection[Any], row: Row) -> Iterator[None]:
    """The tables, roles and functions of the page, and an order of each tenant."""
    blocks = re.findall(r"^```sql\n(CREATE .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    setup = "".join(blocks)
    if "`false`" in row.pattern:
        setup = setup.replace(", true);", ", false);")
    if row.is_condition:
        setup += "ALTER TABLE orders DISABLE ROW LEVEL SECURITY;"
    try:
        direct.execute(f"{setup} INSERT INTO orders VALUES (42, 1), (43, 1)".encode())
        yield
    finally:
        for role in ROLES:
            direct.execute(f"DROP OWNED BY {role} CASCADE".encode())
            direct.execute(f"DROP ROLE {role}".encode())


@pytest.fixture
def connected() -> Iterator[Callable[[Endpoint], WireClient]]:
    """Connects clients, and disconnects them at the end of the test."""
    with ExitStack() as stack:
        yield lambda endpoint: stack.enter_context(WireClient.login(endpoint))


def serve_tenant_42(client: WireClient, row: Row, send: Send) -> None:
    """Run a transaction that sees the orders of this tenant alone."""
    assert send(client, "BEGIN").errors == []
    if not (row.is_login or row.is_condition):
        assert send(client, row.code).errors == []
    assert send(client, row.orders("42")).rows == [("42",)]
    assert send(client, "COMMIT").errors == []


def seen_next(client: WireClient, row: Row, send: Send) -> str:
    """Return the page's word for the rows that a client of tenant 43 sees."""
    reply = send(client, row.orders("43"))
    assert reply.errors == []
    return "leaks" if ("42",) in reply.rows else "safe"


def test_the_whole_table_is_read() -> None:
    table = PAGE.partition("\n|---|")[2].partition("\n\n")[0]
    assert len(ROWS) == table.count("\n") > 0


@each_row
@each_protocol
@pytest.mark.usefixtures("page")
def test_rds_proxy(
    serve: Serve, connected: Callable[[Endpoint], WireClient], row: Row, send: Send
) -> None:
    proxy = serve(1, hidden_state="report").proxy
    client = connected(proxy.endpoint(row.user("42")))
    other = connected(proxy.endpoint(row.user("43")))
    serve_tenant_42(client, row, send)
    if proxy.happened(SessionPinned):
        assert row.rds_proxy == "pins"
        client.leave()
        assert seen_next(other, row, send) == "safe"
    else:
        assert seen_next(other, row, send) == row.rds_proxy
        proxy.run(proxy.proxy.probes_done())
        left = [(leak.kind, leak.name) for leak in proxy.happened(StateLeaked)]
        leaks = row.rds_proxy == "leaks"
        assert left == ([("setting", "app.tenant_id")] if leaks else [])


@each_row
@each_protocol
@pytest.mark.usefixtures("page")
def test_pgbouncer(
    postgres: Postgres,
    database: str,
    connected: Callable[[Endpoint], WireClient],
    row: Row,
    send: Send,
) -> None:
    with pgbouncer(postgres, database, *ROLES) as bouncer:
        client = connected(bouncer.endpoint(row.user("42")))
        other = connected(bouncer.endpoint(row.user("43")))
        serve_tenant_42(client, row, send)
        assert seen_next(other, row, send) == row.pgbouncer
