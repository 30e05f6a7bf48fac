"""The orders of the shop; import_all pins a session of RDS Proxy."""

import asyncpg


async def create(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TABLE IF NOT EXISTS orders (total int NOT NULL)")


async def place(connection: asyncpg.Connection, total: int) -> None:
    await connection.execute("INSERT INTO orders VALUES ($1)", total)


async def import_all(connection: asyncpg.Connection, totals: list[int]) -> None:
    """Place orders by a temporary table, which pins: the session keeps it."""
    await connection.execute("CREATE TEMP TABLE imported (total int) ON COMMIT DROP")
    records = [(total,) for total in totals]
    await connection.copy_records_to_table("imported", records=records)
    await connection.execute("INSERT INTO orders SELECT total FROM imported")


async def place_all(connection: asyncpg.Connection, totals: list[int]) -> None:
    """Place orders by an array parameter, which pins nothing."""
    await connection.execute(
        "INSERT INTO orders SELECT * FROM unnest($1::int[])", totals
    )


async def revenue(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT coalesce(sum(total), 0) FROM orders"))
