"""The application and its pool: ``uvicorn --factory shop.app:create_app``."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI, Request

from shop import orders


def create_app(database_url: str | None = None) -> FastAPI:
    url = database_url or os.environ["DATABASE_URL"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            url, min_size=1, max_size=10, reset=keep, init=orders.create
        ) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders")
    async def place(total: int, connection: Connection) -> None:
        await orders.place(connection, total)

    @app.post("/orders/import")
    async def import_all(totals: list[int], connection: Connection) -> None:
        await orders.import_all(connection, totals)

    @app.post("/orders/all")
    async def place_all(totals: list[int], connection: Connection) -> None:
        await orders.place_all(connection, totals)

    @app.get("/revenue")
    async def revenue(connection: Connection) -> int:
        return await orders.revenue(connection)

    return app


async def keep(connection: asyncpg.Connection) -> None:
    """Leave the session as it is: asyncpg's own reset would pin it."""


async def connected(request: Request) -> AsyncIterator[asyncpg.Connection]:
    """Borrow a connection for one request, in one transaction."""
    pool: asyncpg.Pool = request.app.state.pool
    async with pool.acquire() as connection, connection.transaction():
        yield connection


Connection = Annotated[asyncpg.Connection, Depends(connected)]
