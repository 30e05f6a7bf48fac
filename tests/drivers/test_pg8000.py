"""pg8000, which is pure Python: its DB-API side and its native side."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from io import BytesIO
from typing import Any

import pg8000.dbapi
import pg8000.exceptions
import pg8000.native
import pytest

from tests.drivers.route import BIG_DIGEST, UNICODE, Route, big


def arguments(route: Route) -> dict[str, Any]:
    endpoint = route.endpoint
    login = {"user": endpoint.user, "database": endpoint.database}
    if endpoint.host.startswith("/"):
        return login | {"unix_sock": f"{endpoint.host}/.s.PGSQL.{endpoint.port}"}
    return login | {"host": endpoint.host, "port": endpoint.port}


@pytest.fixture
def connection(route: Route) -> Iterator[Any]:
    with closing(pg8000.dbapi.connect(**arguments(route))) as connection:
        yield connection


@pytest.fixture
def native(route: Route) -> Iterator[Any]:
    with closing(pg8000.native.Connection(**arguments(route))) as connection:
        yield connection


def run(connection: Any, text: str, *values: object) -> Any:
    cursor = connection.cursor()
    cursor.execute(text, values)
    return cursor


def move(connection: Any, amount: int) -> None:
    change = "UPDATE account SET balance = balance + %s WHERE id = %s"
    run(connection, change, -amount, 1)
    run(connection, change, amount, 2)


def test_transactions(route: Route, connection: Any) -> None:
    pids = []
    for amount in (10, 20):
        move(connection, amount)
        pids.append(run(connection, "SELECT pg_backend_pid()").fetchone()[0])
        connection.commit()
        route.swap()
    move(connection, 5)
    assert route.balances() == [70, 130]
    connection.rollback()
    route.swap()
    move(connection, 7)
    with pytest.raises(pg8000.exceptions.DatabaseError, match="22012"):
        run(connection, "SELECT 1 / %s", 0)
    with pytest.raises(pg8000.exceptions.DatabaseError, match="25P02"):
        run(connection, "SELECT 1")
    connection.rollback()
    route.swap()
    move(connection, 1)
    connection.commit()
    assert route.balances() == [69, 131]
    route.check_servers(pids)


def test_two_phase_commit(route: Route, connection: Any) -> None:
    """One database connection can commit a transaction that another prepared."""
    transaction = connection.xid(0, f"transfer in {route.endpoint.database}", "")
    connection.tpc_begin(transaction)
    move(connection, 10)
    connection.tpc_prepare()
    assert route.balances() == [100, 100]
    route.swap()
    connection.tpc_commit()
    assert route.balances() == [90, 110]


def test_prepared_statements(route: Route, native: Any) -> None:
    """Named in the protocol, and used until they are closed."""
    owner = native.prepare("SELECT owner FROM account WHERE id = :id")
    double = native.prepare("SELECT pg_backend_pid(), CAST(:number AS int) * 2")
    pids = []
    for number in range(6):
        assert owner.run(id=number % 2 + 1) == [[("Ada", "Zoë")[number % 2]]]
        route.swap()
        ((pid, doubled),) = double.run(number=number)
        assert doubled == number * 2
        pids.append(pid)
        if number % 2:
            route.swap()
    owner.close()
    route.swap()
    assert double.run(number=4)[0][1] == 8
    double.close()
    route.check_servers(pids)


def test_unnamed_statements(route: Route, native: Any) -> None:
    """Without prepare, Parse and Bind of the unnamed statement have a Sync each."""
    for number in range(4):
        text = f"SELECT CAST(:value AS text) || '{number}'"
        assert native.run(text, value=UNICODE) == [[f"{UNICODE}{number}"]]
        route.swap()
        with pytest.raises(pg8000.exceptions.DatabaseError, match="42P01"):
            native.run("SELECT * FROM nowhere")
        route.swap()


def test_copy(route: Route, connection: Any) -> None:
    lines = "".join(f"{n}\tZoë {n} 🐘\t{n}\n" for n in range(3, 5003)).encode()
    cursor = connection.cursor()
    cursor.execute("COPY account FROM STDIN", stream=BytesIO(lines))
    connection.commit()
    route.swap()
    out = BytesIO()
    cursor.execute(
        "COPY (SELECT * FROM account WHERE id > 2 ORDER BY id) TO STDOUT", stream=out
    )
    connection.commit()
    assert out.getvalue() == lines
    assert len(route.balances()) == 5002


def test_copy_that_fails(route: Route, connection: Any) -> None:
    for line in (b"1\tx\t1\n", b"3\tx\n"):
        with pytest.raises(pg8000.exceptions.DatabaseError):
            connection.cursor().execute("COPY account FROM STDIN", stream=BytesIO(line))
        connection.rollback()
        route.swap()
    assert run(connection, "SELECT count(*) FROM account").fetchone() == [2]
    connection.rollback()


def test_big_value(route: Route, connection: Any) -> None:
    run(connection, "CREATE TABLE big (value bytea)")
    run(connection, "INSERT INTO big VALUES (%s)", big())
    connection.commit()
    route.swap()
    ((digest, value),) = run(connection, "SELECT md5(value), value FROM big").fetchall()
    assert digest == BIG_DIGEST
    assert md5(value).hexdigest() == BIG_DIGEST
    connection.commit()


def test_unicode(route: Route, connection: Any) -> None:
    run(connection, 'CREATE TABLE "zażółć 🐘" ("zażółć 🐘" text)')
    run(connection, 'INSERT INTO "zażółć 🐘" VALUES (%s)', UNICODE)
    connection.commit()
    route.swap()
    cursor = run(connection, 'SELECT * FROM "zażółć 🐘"')
    assert cursor.description[0][0] == "zażółć 🐘"
    assert cursor.fetchall() == ([UNICODE],)
    connection.commit()


def test_several_statements(route: Route, native: Any) -> None:
    """One Query, whose statements are one transaction."""
    native.run("UPDATE account SET balance = 1 WHERE id = 1; SELECT 1; SELECT 2")
    route.swap()
    with pytest.raises(pg8000.exceptions.DatabaseError, match="22012"):
        native.run("UPDATE account SET balance = 2; SELECT 1 / 0; SELECT 1")
    route.swap()
    assert route.balances() == [1, 100]


def test_notices(route: Route, native: Any) -> None:
    for number in range(3):
        native.run(f"DO $$ BEGIN RAISE NOTICE 'number {number}'; END $$")
        route.swap()
    notices = [notice[b"M"] for notice in native.notices]
    assert notices == [b"number 0", b"number 1", b"number 2"]


def test_many_rows(route: Route, connection: Any) -> None:
    cursor = run(connection, "SELECT * FROM generate_series(1, 20000)")
    assert cursor.fetchone() == [1]
    assert len(cursor.fetchmany(99)) == 99
    assert sum(row[0] for row in cursor) == sum(range(101, 20001))
    connection.commit()
    route.swap()
    cursor = connection.cursor()
    cursor.executemany(
        "INSERT INTO account VALUES (%s, 'many', %s)", [(n, n) for n in range(3, 103)]
    )
    connection.commit()
    assert sum(route.balances()) == 200 + sum(range(3, 103))


def test_startup_parameters(route: Route) -> None:
    chosen = {"TimeZone": "Asia/Tokyo", "search_path": "away, public"}
    route.direct.execute("CREATE SCHEMA away; CREATE TABLE away.here AS SELECT 1 AS x")
    with closing(
        pg8000.native.Connection(
            **arguments(route), application_name="ledger", startup_params=chosen
        )
    ) as connection:
        pids = []
        for _ in range(4):
            ((pid, *values),) = connection.run(
                "SELECT pg_backend_pid(), timestamptz '2026-02-03 00:00+00' || '', x,"
                " current_setting('application_name') FROM here"
            )
            assert values == ["2026-02-03 09:00:00+09", 1, "ledger"]
            pids.append(pid)
            route.swap()
    route.check_servers(pids)
