"""The visits of clients that use a driver: psycopg, sync and async, and asyncpg.

The number of Query and Execute messages of each call is the driver's documented
behaviour: psycopg sends a Query for a text without parameters, asyncpg for
``execute`` without arguments and for the ends of a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import asyncpg
import psycopg

from bench.server import DATABASE
from bench.soak import site
from bench.soak.books import Books
from bench.soak.site import Site
from bench.soak.wire import Lost, Wrong

MOST_WORKS: Final = 8
HOST: Final = "127.0.0.1"

ASYNCPG_ERRORS: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""The last one comes when an idle connection has received a FATAL error, whose end
asyncpg has not noticed yet; PostgreSQL itself causes it as well."""
GOODS: Final = "SELECT $1::int + 1, $2::text"


@contextmanager
def counted(books: Books, queries: int, executes: int = 0) -> Iterator[None]:
    """Count the requests of the block; they are answered if it does not raise."""
    books.queries.sent += queries
    books.statements.sent += queries + executes
    yield
    books.queries.answered += queries
    books.statements.answered += queries + executes


class AsyncpgVisit:
    """A visit with asyncpg."""

    def __init__(self, where: Site, chance: Random, connection: Any) -> None:
        self.where = where
        self.chance = chance
        self.connection = connection
        self.books = where.books
        self.number = chance.randrange(1, 1_000_000)

    async def simple(self) -> None:
        with counted(self.books, 1):
            await self.connection.execute(f"SELECT {self.number}")

    async def prepared(self) -> None:
        with counted(self.books, 0, 1):
            row = await self.connection.fetchrow(GOODS, self.number, "mine")
        if tuple(row) != (self.number + 1, "mine"):
            raise Wrong(f"{row} came in place of {self.number + 1}")

    async def committed(self) -> None:
        row = self.books.rows.new()
        transaction = self.connection.transaction()
        with counted(self.books, 1):
            await transaction.start()
        with counted(self.books, 0, 1):
            text = "INSERT INTO ledger VALUES ($1, $2)"
            await self.connection.execute(text, row, self.number)
        with counted(self.books, 1):
            await transaction.commit()
        self.books.rows.commit(row)

    async def copied(self) -> None:
        numbers = [self.books.rows.new() for _ in range(self.chance.randint(1, 20))]
        rows = [(number, self.number) for number in numbers]
        with counted(self.books, 1):
            await self.connection.copy_records_to_table("ledger", records=rows)
        self.books.rows.commit(*numbers)


async def with_asyncpg(where: Site, chance: Random) -> None:
    books = where.books
    books.connections += 1
    books.logins.sent += 1
    try:
        connection = await asyncpg.connect(
            host=HOST,
            port=where.port,
            user=chance.choice(site.SCRAM_ROLES),
            password=site.PASSWORD,
            database=DATABASE,
            ssl=where.choose_tls(chance) or False,
            statement_cache_size=chance.choice((0, 100)),
        )
    except ASYNCPG_ERRORS as error:
        raise Lost(described(error)) from None
    books.logins.answered += 1
    visit = AsyncpgVisit(where, chance, connection)
    works: tuple[Callable[[], Awaitable[None]], ...] = (
        visit.simple,
        visit.prepared,
        visit.prepared,
        visit.committed,
        visit.copied,
    )
    try:
        for _ in range(chance.randint(1, MOST_WORKS)):
            await chance.choice(works)()
            await where.pause(chance)
            if where.stopping.is_set():
                break
        await connection.close(timeout=5)
    except ASYNCPG_ERRORS as error:
        raise Lost(described(error)) from None
    finally:
        connection.terminate()


def described(error: Exception) -> str:
    """Return the SQLSTATE of a driver's error, or its type."""
    sqlstate = getattr(error, "sqlstate", None)
    return str(sqlstate or type(error).__name__)


def conninfo(where: Site, chance: Random) -> dict[str, Any]:
    """Return the parameters of a connection with psycopg."""
    tls = "require" if where.choose_tls(chance) else "disable"
    return {
        "host": HOST,
        "port": where.port,
        "user": chance.choice(site.SCRAM_ROLES),
        "password": site.PASSWORD,
        "dbname": DATABASE,
        "sslmode": tls,
        "gssencmode": "disable",
        "autocommit": True,
        "application_name": "psycopg",
    }


async def with_psycopg(where: Site, chance: Random) -> None:
    """A visit with psycopg's AsyncConnection."""
    books = where.books
    books.connections += 1
    books.logins.sent += 1
    try:
        connection = await psycopg.AsyncConnection.connect(**conninfo(where, chance))
        books.logins.answered += 1
        try:
            for _ in range(chance.randint(1, MOST_WORKS)):
                await _work_async(where, chance, connection)
                await where.pause(chance)
                if where.stopping.is_set():
                    break
        finally:
            await connection.close()
    except psycopg.Error as error:
        _clean_up(books)
        raise Lost(described(error)) from None


def _clean_up(books: Books) -> None:
    """Count what psycopg may send after an error: ROLLBACK, and DEALLOCATE ALL."""
    books.queries.sent += 2
    books.statements.sent += 2
    books.pins.sent += 1


async def _work_async(
    where: Site, chance: Random, connection: psycopg.AsyncConnection[Any]
) -> None:
    books, number = where.books, chance.randrange(1, 1_000_000)
    way = chance.randrange(4)
    if way == 0:
        with counted(books, 0, 1):
            cursor = await connection.execute("SELECT %s::int", [number], prepare=True)
        _check(await cursor.fetchone(), number)
    elif way == 1:
        with counted(books, 0, 3):
            async with connection.pipeline():
                cursors = [
                    await connection.execute("SELECT %s::int", [number + n])
                    for n in range(3)
                ]
        for n, cursor in enumerate(cursors):
            _check(await cursor.fetchone(), number + n)
    elif way == 2:
        row = books.rows.new()
        with counted(books, 2, 1):
            async with connection.transaction():
                text = "INSERT INTO ledger VALUES (%s, %s)"
                await connection.execute(text, [row, number])
        books.rows.commit(row)
    else:
        rows = [books.rows.new() for _ in range(chance.randint(1, 20))]
        with counted(books, 1):
            async with connection.cursor().copy("COPY ledger FROM STDIN") as copy:
                for row in rows:
                    await copy.write_row((row, number))
        books.rows.commit(*rows)


def _check(row: Any, number: int) -> None:
    if row != (number,):
        raise Wrong(f"{row} came in place of {number}")


class Threads:
    """Runs visits with psycopg's blocking Connection, each in a thread."""

    def __init__(self, most: int) -> None:
        self._executor = ThreadPoolExecutor(most, "soak-psycopg")

    async def __call__(self, where: Site, chance: Random) -> None:
        books = where.books
        books.connections += 1
        books.logins.sent += 1
        row = books.rows.new()
        loop = asyncio.get_running_loop()
        seconds = chance.expovariate(1 / where.think)
        done = await loop.run_in_executor(
            self._executor, _visit_blocking, conninfo(where, chance), row, seconds
        )
        books.logins.answered += done.logged_in
        books.queries.sent += done.sent
        books.queries.answered += done.answered
        books.statements.sent += done.sent + done.executes_sent
        books.statements.answered += done.answered + done.executes_answered
        if done.committed:
            books.rows.commit(row)
        if done.error:
            _clean_up(books)
            raise Lost(done.error)

    def close(self) -> None:
        self._executor.shutdown()


class Done:
    """The results of a blocking visit."""

    def __init__(self) -> None:
        self.logged_in = False
        self.committed = False
        self.sent = self.answered = 0
        self.executes_sent = self.executes_answered = 0
        self.error = ""


def _visit_blocking(login: dict[str, Any], row: int, seconds: float) -> Done:
    done = Done()
    try:
        with psycopg.connect(**login) as connection:
            done.logged_in = True
            done.sent += 2
            done.executes_sent += 2
            with connection.transaction():
                connection.execute("INSERT INTO ledger VALUES (%s, 0)", [row])
                connection.execute("SELECT pg_sleep(%s)", [seconds])
            done.committed = True
            done.answered += 2
            done.executes_answered += 2
    except psycopg.Error as error:
        done.error = described(error)
    return done
