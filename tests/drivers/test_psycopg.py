"""psycopg 3, blocking and asynchronous."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from tests.drivers.route import BIG_DIGEST, UNICODE, Route, big

Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(route: Route) -> Iterator[Connection]:
    """A connection without automatic prepares; a rollback drops them all."""
    with psycopg.connect(route.endpoint.dsn, prepare_threshold=None) as connection:
        yield connection


def move(connection: Connection, amount: int) -> None:
    for account, change in ((1, -amount), (2, amount)):
        connection.execute(
            "UPDATE account SET balance = balance + %s WHERE id = %s", (change, account)
        )


def fail(connection: Connection) -> None:
    """Move money in a transaction that then fails."""
    with connection.transaction():
        move(connection, 1000)
        connection.execute("SELECT 1 / 0")


def server(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_transactions(route: Route, connection: Connection) -> None:
    pids = []
    for amount in (10, 20):
        with connection.transaction():
            move(connection, amount)
            pids.append(server(connection))
        route.swap()
    move(connection, 5)
    assert route.balances() == [70, 130]
    connection.rollback()
    route.swap()
    with pytest.raises(errors.DivisionByZero):
        fail(connection)
    assert connection.info.transaction_status == TransactionStatus.IDLE
    route.swap()
    assert route.balances() == [70, 130]
    with connection.transaction():
        move(connection, 1)
    assert route.balances() == [69, 131]
    route.check_servers(pids)


def test_savepoints(route: Route, connection: Connection) -> None:
    with connection.transaction():
        move(connection, 10)
        with pytest.raises(errors.UniqueViolation), connection.transaction():
            connection.execute("INSERT INTO account VALUES (3, 'new', 0), (1, '', 0)")
        move(connection, 1)
    assert route.balances() == [89, 111]


def test_error_outside_transaction(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    for _ in range(3):
        with pytest.raises(errors.UndefinedTable, match='"nowhere" does not exist'):
            connection.execute("SELECT * FROM nowhere")
        route.swap()
        assert connection.execute("SELECT %s::int", (3,)).fetchone() == (3,)
        route.swap()


def test_prepared_statements(route: Route, connection: Connection) -> None:
    """prepare=True names the statement at once; its name is used ever after."""
    connection.autocommit = True
    pids = set()
    for number in range(8):
        row = connection.execute(
            "SELECT pg_backend_pid(), %s::int * 2, owner FROM account WHERE id = %s",
            (number, number % 2 + 1),
            prepare=True,
        ).fetchone()
        assert row is not None
        assert row[1:] == (number * 2, ("Ada", "Zoë")[number % 2])
        pids.add(row[0])
        route.swap()
    route.check_servers(pids)


def test_statements_prepared_by_use(route: Route, connection: Connection) -> None:
    """psycopg prepares what it has run five times."""
    connection.autocommit = True
    connection.prepare_threshold = 2
    connection.prepared_max = 2
    texts = ["SELECT %s::int + 0", "SELECT %s::int + 1", "SELECT %s::int + 2"]
    for number in range(24):
        cursor = connection.execute(texts[number % 5 % 3], (number,))
        assert cursor.fetchone() == (number + number % 5 % 3,)
        route.swap()


def test_binary_results(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    for _ in range(3):
        cursor = connection.execute(
            "SELECT 7::int8, '2026-01-02'::date, NULL, ARRAY[1,2]",
            binary=True,
            prepare=True,
        )
        row = cursor.fetchone()
        assert row is not None
        assert (row[0], row[1].isoformat(), row[2:]) == (
            7,
            "2026-01-02",
            (None, [1, 2]),
        )
        route.swap()


def test_copy(route: Route, connection: Connection) -> None:
    with connection.cursor() as cursor:
        for first in (3, 1003):
            with cursor.copy("COPY account FROM STDIN") as copy:
                for number in range(first, first + 1000):
                    copy.write_row((number, f"{UNICODE}{number}", number))
            connection.commit()
            route.swap()
        with cursor.copy("COPY account TO STDOUT") as copy:
            copy.set_types(["int4", "text", "int4"])
            rows = sorted(copy.rows())
    connection.commit()
    assert rows[2:] == [(n, f"{UNICODE}{n}", n) for n in range(3, 2003)]
    assert len(route.balances()) == 2002


def copy_in(connection: Connection, data: str) -> None:
    """The data "stop" is an error of the program that copies."""
    with connection.cursor() as cursor, cursor.copy("COPY account FROM STDIN") as copy:
        copy.write("3\tx\t1\n" if data == "stop" else data)
        if data == "stop":
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("1\tx\t1\n", errors.UniqueViolation),
        ("3\tx\n", errors.BadCopyFileFormat),
        ("3\tx\tmuch\n", errors.InvalidTextRepresentation),
        ("stop", ZeroDivisionError),
    ],
)
def test_copy_that_fails(
    route: Route, connection: Connection, data: str, error: type[Exception]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            copy_in(connection, data)
        connection.rollback()
        route.swap()
    assert server(connection)
    assert route.balances() == [100, 100]


def test_big_value(route: Route, connection: Connection) -> None:
    connection.execute("CREATE TABLE big (value bytea)")
    connection.execute("INSERT INTO big VALUES (%b)", (big(),))
    connection.commit()
    route.swap()
    digest = connection.execute("SELECT md5(value) FROM big").fetchone()
    assert digest == (BIG_DIGEST,)
    row = connection.execute("SELECT value FROM big", binary=True).fetchone()
    assert row is not None
    assert md5(row[0]).hexdigest() == BIG_DIGEST


def test_unicode(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    name = sql.Identifier("zażółć 🐘")
    connection.execute(sql.SQL("CREATE TABLE {} ({} text)").format(name, name))
    connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(name), (UNICODE,))
    route.swap()
    cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(name))
    assert cursor.description is not None
    assert (cursor.description[0].name, cursor.fetchall()) == (
        "zażółć 🐘",
        [(UNICODE,)],
    )


def test_several_statements(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    cursor = connection.execute(
        "UPDATE account SET balance = 1 WHERE id = 1; SELECT 'two'; SELECT 3, 4"
    )
    assert cursor.statusmessage == "UPDATE 1"
    assert cursor.nextset()
    assert cursor.fetchall() == [("two",)]
    assert cursor.nextset()
    assert cursor.fetchall() == [(3, 4)]
    route.swap()
    with pytest.raises(errors.DivisionByZero):
        connection.execute("UPDATE account SET balance = 2; SELECT 1 / 0; SELECT 1")
    route.swap()
    assert route.balances() == [1, 100]


def test_notices(route: Route, connection: Connection) -> None:
    notices: list[str | None] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    for number in range(3):
        connection.execute(f"DO $$ BEGIN RAISE NOTICE 'number {number}'; END $$")
        connection.commit()
        route.swap()
    assert notices == ["number 0", "number 1", "number 2"]


def test_streamed_rows(route: Route, connection: Connection) -> None:
    with connection.cursor() as cursor:
        rows = cursor.stream("SELECT * FROM generate_series(1, %s)", (5000,))
        assert [number for (number,) in rows] == list(range(1, 5001))
    connection.commit()
    route.swap()
    assert server(connection)


def test_pipeline(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    pids = []
    for turn in range(4):
        with connection.pipeline():
            cursors = [
                connection.execute(
                    "SELECT %s::int, pg_backend_pid()", (number,), prepare=True
                )
                for number in range(50)
            ]
            rows = [cursor.fetchone() for cursor in cursors]
        assert [row[0] for row in rows if row] == list(range(50)), turn
        pids += [row[1] for row in rows if row]
        route.swap()
    route.check_servers(pids)


def failing_pipeline(connection: Connection) -> None:
    with connection.pipeline() as pipeline:
        before = connection.execute("SELECT 1")
        pipeline.sync()
        connection.execute("UPDATE account SET balance = 0")
        connection.execute("SELECT 1 / %s", (0,))
        skipped = connection.execute("SELECT 2")
        pipeline.sync()
        after = connection.execute("SELECT 3")
        pipeline.sync()
        assert before.fetchone() == (1,)
        assert after.fetchone() == (3,)
        with pytest.raises(errors.PipelineAborted):
            skipped.fetchone()


def test_pipeline_with_error(route: Route, connection: Connection) -> None:
    connection.autocommit = True
    for _ in range(3):
        with pytest.raises(errors.DivisionByZero):
            failing_pipeline(connection)
        assert connection.info.transaction_status == TransactionStatus.IDLE
        route.swap()
    assert route.balances() == [100, 100]


def test_executemany(route: Route, connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO account VALUES (%s, %s, %s)",
            [(number, "many", number) for number in range(3, 503)],
        )
        assert cursor.rowcount == 500
    connection.commit()
    assert sum(route.balances()) == 200 + sum(range(3, 503))


def test_startup_parameters(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq sends PGTZ and PGDATESTYLE as startup parameters."""
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    with psycopg.connect(
        route.endpoint.dsn,
        application_name="żółw",
        client_encoding="LATIN2",
        autocommit=True,
    ) as connection:
        assert connection.info.parameter_status("TimeZone") == "Asia/Tokyo"
        assert connection.info.parameter_status("DateStyle") == "SQL, DMY"
        assert connection.info.encoding == "iso8859-2"
        pids = []
        for _ in range(4):
            row = connection.execute(
                "SELECT pg_backend_pid(), current_setting('TimeZone'),"
                " timestamptz '2026-02-03 00:00+00' || '', 'żółw',"
                " current_setting('client_encoding')"
            ).fetchone()
            assert row is not None
            pids.append(row[0])
            assert row[1:] == (
                "Asia/Tokyo",
                "03/02/2026 09:00:00 JST",
                "żółw",
                "LATIN2",
            )
            route.swap()
        route.check_servers(pids)


def test_two_encodings_share_connections(route: Route) -> None:
    dsn = route.endpoint.dsn
    with (
        psycopg.connect(dsn, client_encoding="LATIN1", autocommit=True) as latin,
        psycopg.connect(dsn, client_encoding="UTF8", autocommit=True) as utf8,
    ):
        for _ in range(3):
            for connection in (latin, utf8):
                row = connection.execute("SELECT owner FROM account WHERE id = 2")
                assert row.fetchone() == ("Zoë",)
                route.swap()


def test_driver_pool(route: Route) -> None:
    """psycopg's own pool before the proxy's; what it rolls back stays rolled back."""

    def work() -> None:
        barrier.wait()
        for _ in range(10):
            with pool.connection() as connection:
                move(connection, 1)
            with pytest.raises(errors.DivisionByZero), pool.connection() as other:
                fail(other)

    keep = {"prepare_threshold": None}
    barrier = Barrier(4)
    with (
        ConnectionPool(route.endpoint.dsn, min_size=4, kwargs=keep) as pool,
        ThreadPoolExecutor(4) as threads,
    ):
        for done in [threads.submit(work) for _ in range(4)]:
            done.result()
    assert route.balances() == [60, 140]


async def test_asynchronous(route: Route) -> None:
    async with await psycopg.AsyncConnection.connect(route.endpoint.dsn) as connection:
        pids = []
        for number in range(4):
            async with connection.transaction():
                cursor = await connection.execute(
                    "SELECT pg_backend_pid(), %s::text", (UNICODE,), prepare=number > 1
                )
                row = await cursor.fetchone()
            assert row is not None
            assert row[1] == UNICODE
            pids.append(row[0])
            route.swap()
        route.check_servers(pids)
