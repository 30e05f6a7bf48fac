"""Two hundred clients on five connections: nothing lost, doubled or mixed up.

PINWATCH_STRESS_TRANSACTIONS is how many transactions each client runs, 40 by default.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any, Final

import asyncpg
import psycopg
import pytest

from tests.harness import RunningProxy
from tests.live.conftest import Serve

CLIENTS: Final = 200
CONNECTIONS: Final = 5
TRANSACTIONS: Final = int(os.environ.get("PINWATCH_STRESS_TRANSACTIONS", "40"))
PID: Final = "pg_backend_pid()"


@dataclass(slots=True)
class Books:
    """The work that the clients have completed."""

    added: int = 0
    copied: int = 0
    served: dict[int, Counter[int]] = field(default_factory=dict)
    """Number of times that each server process served each client."""

    def note(self, process: int, client: int) -> None:
        self.served.setdefault(process, Counter())[client] += 1


@dataclass(slots=True)
class Worker:
    """One client, which checks that all of its replies carry its number."""

    number: int
    connection: Any
    books: Books

    async def simple(self) -> None:
        text = f"SELECT {self.number}; SELECT {PID}"
        assert await self.connection.execute(text) == "SELECT 1"

    async def extended(self) -> None:
        text = f"SELECT $1::int, {PID}, {self.number}"
        statement = await self.connection.prepare(text, name="")
        answer, process, number = await statement.fetchrow(self.number + 1)
        assert (answer, number) == (self.number + 1, self.number)
        self.books.note(process, self.number)

    async def named(self) -> None:
        mine = f"client {self.number}"
        row = await self.connection.fetchrow(f"SELECT $1::text, {PID}", mine)
        assert row[0] == mine
        self.books.note(row[1], self.number)

    async def committed(self) -> None:
        async with self.connection.transaction():
            await self.add(1)
            process = await self.connection.fetchval(f"SELECT {PID}")
            await self.add(2)
            assert await self.connection.fetchval(f"SELECT {PID}") == process
        self.books.added += 3
        self.books.note(process, self.number)

    async def rolled_back(self) -> None:
        transaction = self.connection.transaction()
        await transaction.start()
        await self.add(1_000_000)
        await transaction.rollback()

    async def failed(self) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await self.connection.fetchval("SELECT 1 / $1::int", 0)
        with pytest.raises(asyncpg.UndefinedTableError):
            await self.connection.execute("SELECT nothing FROM nowhere")

    async def failed_inside(self) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await self.fail()

    async def fail(self) -> None:
        async with self.connection.transaction():
            await self.add(1_000_000)
            await self.connection.execute("SELECT 1 / 0")

    async def copied_in(self) -> None:
        rows = [(self.number, n) for n in range(20)]
        await self.connection.copy_records_to_table("copied", records=rows)
        self.books.copied += len(rows)

    async def copied_out(self) -> None:
        out = BytesIO()
        text = f"SELECT {self.number} FROM generate_series(1, 100)"
        await self.connection.copy_from_query(text, output=out)
        assert out.getvalue() == f"{self.number}\n".encode() * 100

    async def many_rows(self) -> None:
        text = "SELECT $1::int + g FROM generate_series(1, 300) AS g"
        rows = await self.connection.fetch(text, self.number)
        assert [row[0] for row in rows] == [self.number + n for n in range(1, 301)]

    async def add(self, amount: int) -> None:
        await self.connection.execute(
            "UPDATE account SET n = n + $1 WHERE id = $2", amount, self.number % 20
        )

    def choices(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.simple,
            self.extended,
            self.named,
            self.committed,
            self.rolled_back,
            self.failed,
            self.failed_inside,
            self.copied_in,
            self.copied_out,
            self.many_rows,
        ]


async def work(proxy: RunningProxy, number: int, books: Books) -> None:
    connection = await asyncpg.connect(proxy.endpoint().url())
    chance = Random(number)
    choices = Worker(number, connection, books).choices()
    for _ in range(TRANSACTIONS):
        await chance.choice(choices)()
    await connection.close()


async def watch(proxy: RunningProxy, name: str, most: list[int]) -> None:
    """Record how many connections the server has, read without the proxy."""
    direct = await asyncpg.connect(proxy.postgres.endpoint(proxy.database).url())
    text = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
        " AND pid <> pg_backend_pid()"
    )
    try:
        while True:
            most.append(await direct.fetchval(text, name))
    finally:
        await direct.close()


async def run(proxy: RunningProxy) -> tuple[Books, int]:
    books, most = Books(), [0]
    watching = asyncio.ensure_future(watch(proxy, proxy.database, most))
    await asyncio.gather(*(work(proxy, n, books) for n in range(CLIENTS)))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return books, max(most)


def test_no_statement_is_lost_or_doubled(
    serve: Serve, direct: psycopg.Connection[Any]
) -> None:
    direct.execute("CREATE TABLE account (id int PRIMARY KEY, n bigint NOT NULL)")
    direct.execute("INSERT INTO account SELECT g, 0 FROM generate_series(0, 19) AS g")
    direct.execute("CREATE TABLE copied (client int, n int)")
    direct_connections = 1
    proxy = serve(CONNECTIONS).proxy

    with asyncio.Runner() as runner:
        books, most = runner.run(run(proxy))

    total = "SELECT (SELECT sum(n) FROM account), (SELECT count(*) FROM copied)"
    assert direct.execute(total).fetchone() == (books.added, books.copied)
    assert books.added > 0
    assert most <= CONNECTIONS + direct_connections
    assert len(books.served) == CONNECTIONS
    assert all(len(clients) > CLIENTS // 4 for clients in books.served.values())
