"""asyncpg, which prepares nearly everything by name and reads results in binary."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import md5
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from tests.drivers.route import BIG_DIGEST, UNICODE, Route, big


async def connect(route: Route, **arguments: Any) -> Any:
    endpoint = route.endpoint
    return await asyncpg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        database=endpoint.database,
        **arguments,
    )


@pytest.fixture
async def connection(route: Route) -> AsyncIterator[Any]:
    connection = await connect(route)
    yield connection
    await connection.close()


async def move(connection: Any, amount: int) -> None:
    change = "UPDATE account SET balance = balance + $1 WHERE id = $2"
    await connection.execute(change, -amount, 1)
    await connection.execute(change, amount, 2)


async def fail(connection: Any) -> None:
    """Move money in a transaction that then fails."""
    async with connection.transaction():
        await move(connection, 1000)
        await connection.fetchval("SELECT 1 / $1::int", 0)


async def test_transactions(route: Route, connection: Any) -> None:
    pids = []
    for amount in (10, 20):
        async with connection.transaction():
            await move(connection, amount)
            pids.append(await connection.fetchval("SELECT pg_backend_pid()"))
        route.swap()
    transaction = connection.transaction()
    await transaction.start()
    await move(connection, 5)
    assert route.balances() == [70, 130]
    await transaction.rollback()
    route.swap()
    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail(connection)
    route.swap()
    assert route.balances() == [70, 130]
    async with connection.transaction(isolation="serializable"):
        await move(connection, 1)
    assert route.balances() == [69, 131]
    route.check_servers(pids)


async def test_savepoints(route: Route, connection: Any) -> None:
    async with connection.transaction():
        await move(connection, 10)
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute("INSERT INTO account VALUES (1, '', 0)")
        await move(connection, 1)
    assert route.balances() == [89, 111]


async def test_prepared_statements(route: Route, connection: Any) -> None:
    owner = await connection.prepare("SELECT owner FROM account WHERE id = $1")
    double = await connection.prepare("SELECT pg_backend_pid(), $1::int * 2")
    pids = []
    for number in range(6):
        assert await owner.fetchval(number % 2 + 1) == ("Ada", "Zoë")[number % 2]
        route.swap()
        pid, doubled = await double.fetchrow(number)
        assert doubled == number * 2
        pids.append(pid)
        if number % 2:
            route.swap()
    route.check_servers(pids)


async def test_statement_cache(route: Route) -> None:
    """A statement that leaves the driver's cache is closed and prepared again."""
    connection = await connect(route, statement_cache_size=2)
    for number in range(24):
        text = f"SELECT $1::int + {number % 5 % 3}"
        assert await connection.fetchval(text, number) == number + number % 5 % 3
        route.swap()
    await connection.close()


async def test_statement_without_cache(route: Route) -> None:
    """Without a cache, the statement is unnamed or closed at once."""
    connection = await connect(route, statement_cache_size=0)
    for number in range(4):
        assert await connection.fetchval("SELECT $1::text", str(number)) == str(number)
        route.swap()
    await connection.close()


async def test_error_in_prepared_statement(route: Route, connection: Any) -> None:
    divide = await connection.prepare("SELECT 6 / $1::int")
    for _ in range(3):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await divide.fetchval(0)
        route.swap()
        assert await divide.fetchval(3) == 2
        with pytest.raises(asyncpg.UndefinedTableError, match='"nowhere" does not'):
            await connection.prepare("SELECT * FROM nowhere")
        route.swap()


async def test_schema_change(route: Route, connection: Any) -> None:
    """The driver hears that its plan is out of date, and prepares again."""
    for columns in range(3, 6):
        for _ in range(2):
            try:
                row = await connection.fetchrow("SELECT * FROM account WHERE id = 1")
            except asyncpg.InvalidCachedStatementError:
                row = await connection.fetchrow("SELECT * FROM account WHERE id = 1")
            assert len(row) == columns
            route.swap()
        await connection.execute(f"ALTER TABLE account ADD extra{columns} int")
        route.swap()


async def test_copy(route: Route, connection: Any) -> None:
    rows = [(number, f"{UNICODE}{number}", number) for number in range(3, 1003)]
    await connection.copy_records_to_table("account", records=rows)
    route.swap()
    text = BytesIO()
    await connection.copy_from_query(
        "SELECT * FROM account WHERE id > $1 ORDER BY id", 2, output=text
    )
    route.swap()
    assert text.getvalue().count(b"\n") == 1000
    async with connection.transaction():
        await connection.execute("TRUNCATE account")
        text.seek(0)
        assert await connection.copy_to_table("account", source=text) == "COPY 1000"
    route.swap()
    stored = await connection.fetch("SELECT * FROM account ORDER BY id")
    assert [tuple(row) for row in stored] == rows


async def test_copy_that_fails(route: Route, connection: Any) -> None:
    for record in ((1, "x", 1), (3, "x", None)):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.copy_records_to_table("account", records=[record])
        route.swap()

    async def source() -> AsyncIterator[bytes]:
        yield b"3\tx\t1\n"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await connection.copy_to_table("account", source=source())
    route.swap()
    assert await connection.fetchval("SELECT count(*) FROM account") == 2


async def test_big_value(route: Route, connection: Any) -> None:
    await connection.execute("CREATE TABLE big (value bytea)")
    await connection.execute("INSERT INTO big VALUES ($1)", big())
    route.swap()
    assert await connection.fetchval("SELECT md5(value) FROM big") == BIG_DIGEST
    value = await connection.fetchval("SELECT value FROM big")
    assert md5(value).hexdigest() == BIG_DIGEST


async def test_unicode(route: Route, connection: Any) -> None:
    await connection.execute('CREATE TABLE "zażółć 🐘" ("zażółć 🐘" text)')
    await connection.execute('INSERT INTO "zażółć 🐘" VALUES ($1)', UNICODE)
    route.swap()
    (row,) = await connection.fetch('SELECT * FROM "zażółć 🐘"')
    assert dict(row) == {"zażółć 🐘": UNICODE}


async def test_several_statements(route: Route, connection: Any) -> None:
    status = await connection.execute("UPDATE account SET balance = 1; SELECT 1")
    assert status == "SELECT 1"
    route.swap()
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.execute("UPDATE account SET balance = 2; SELECT 1 / 0")
    route.swap()
    assert route.balances() == [1, 1]


async def test_notices(route: Route, connection: Any) -> None:
    notices: list[str] = []
    connection.add_log_listener(lambda _, message: notices.append(message.message))
    for number in range(3):
        text = f"DO $$ BEGIN RAISE NOTICE 'number {number}'; END $$"
        await connection.execute(text)
        route.swap()
    assert await connection.fetchval("SELECT 1") == 1
    assert notices == ["number 0", "number 1", "number 2"]


async def test_cursor(route: Route, connection: Any) -> None:
    """A portal that is read by Execute with a row limit."""
    numbers = "SELECT * FROM generate_series($1::int, $2)"
    for prefetch in (7, 100):
        async with connection.transaction():
            cursor = connection.cursor(numbers, 1, 1000, prefetch=prefetch)
            assert [row[0] async for row in cursor] == list(range(1, 1001))
        route.swap()
    async with connection.transaction():
        first = await connection.cursor(numbers, 1, 50)
        second = await connection.cursor(numbers, 101, 150)
        read = []
        for _ in range(10):
            read += [row[0] for row in await first.fetch(5)]
            read += [row[0] for row in await second.fetch(5)]
        assert await first.forward(1) == 0
    assert sorted(read) == [*range(1, 51), *range(101, 151)]


async def test_executemany(route: Route, connection: Any) -> None:
    insert = "INSERT INTO account VALUES ($1, 'many', $1)"
    await connection.executemany(insert, [(number,) for number in range(3, 2003)])
    route.swap()
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.executemany(insert, [(2003,), (3,), (2004,)])
    route.swap()
    assert sum(route.balances()) == 200 + sum(range(3, 2003))


async def test_startup_parameters(route: Route) -> None:
    connection = await connect(
        route,
        server_settings={
            "application_name": "żółw",
            "search_path": "away, public",
            "TimeZone": "Asia/Tokyo",
            "DateStyle": "SQL, DMY",
            "extra_float_digits": "-3",
        },
    )
    route.direct.execute("CREATE SCHEMA away; CREATE TABLE away.here AS SELECT 1 AS x")
    assert connection.get_settings().TimeZone == "Asia/Tokyo"
    pids = []
    for _ in range(4):
        pid, *values = await connection.fetchrow(
            "SELECT pg_backend_pid(), timestamptz '2026-02-03 00:00+00' || '',"
            " (1::float8 / 3)::text, x, current_setting('application_name') FROM here"
        )
        pids.append(pid)
        expected = ["03/02/2026 09:00:00 JST", "0.333333333333", 1]
        assert values[:3] == expected
        assert values[3] in ("żółw", r"\xc5\xbc\xc3\xb3\xc5\x82w")
        route.swap()
    route.check_servers(pids)
    await connection.close()


async def test_driver_pool(route: Route) -> None:
    """asyncpg's own pool before the proxy's, without a reset that pins."""

    async def keep(_connection: Any) -> None:
        pass

    endpoint = route.endpoint
    async with asyncpg.create_pool(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        database=endpoint.database,
        min_size=8,
        max_size=8,
        reset=keep,
    ) as pool:

        async def work() -> None:
            for _ in range(10):
                async with pool.acquire() as connection, connection.transaction():
                    await move(connection, 1)

        await asyncio.gather(*(work() for _ in range(8)))
    assert route.balances() == [20, 180]
