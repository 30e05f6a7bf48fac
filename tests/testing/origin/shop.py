"""An application: for each driver, a nested function that pins a session.

The lines that have to be found end in ``# pins``.
"""

from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, Final

import asyncpg
import django
import pg8000.dbapi
import pg8000.native
import psycopg
import psycopg2
import psycopg_pool
import sqlalchemy
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db.utils import ConnectionHandler
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from pinwatch import Proxy

SQL: Final = "SET search_path TO shop"
BUSY: Final = "SELECT * FROM busy"


if not django_settings.configured:
    django_settings.configure()
    django.setup()


def with_psycopg(proxy: Proxy, sql: str) -> None:
    def checkout() -> None:
        connection.execute(sql.encode())  # pins

    with closing(psycopg.connect(proxy.dsn)) as connection:
        checkout()


def with_psycopg_pool(proxy: Proxy, sql: str) -> None:
    def checkout() -> None:
        with pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(sql.encode())  # pins

    with psycopg_pool.ConnectionPool(proxy.dsn, min_size=1, open=True) as pool:
        checkout()


def with_psycopg2(proxy: Proxy, sql: str) -> None:
    def checkout(cursor: Any) -> None:
        cursor.execute(sql)  # pins

    with closing(psycopg2.connect(proxy.dsn)) as connection:
        checkout(connection.cursor())


def with_psycopg2_in_one_breath(proxy: Proxy, sql: str) -> None:
    def checkout() -> None:
        psycopg2.connect(proxy.dsn).cursor().execute(sql)  # pins

    checkout()


def with_pg8000(proxy: Proxy, sql: str) -> None:
    def checkout(connection: Any) -> None:
        connection.cursor().execute(sql)  # pins

    with closing(
        pg8000.dbapi.connect(
            proxy.user, host=proxy.host, port=proxy.port, database=proxy.database
        )
    ) as connection:
        checkout(connection)


def with_pg8000_native(proxy: Proxy, sql: str) -> None:
    def checkout(connection: Any) -> None:
        connection.run(sql)  # pins

    with closing(
        pg8000.native.Connection(
            proxy.user, host=proxy.host, port=proxy.port, database=proxy.database
        )
    ) as connection:
        checkout(connection)


def with_sqlalchemy(driver: str) -> Callable[[Proxy, str], None]:
    def work(proxy: Proxy, sql: str) -> None:
        def checkout(session: Session) -> None:
            session.execute(sqlalchemy.text(sql))  # pins

        engine = sqlalchemy.create_engine(proxy.url(driver))
        try:
            with Session(engine) as session:
                checkout(session)
        finally:
            engine.dispose()

    return work


def with_django(proxy: Proxy, sql: str) -> None:
    def checkout() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)  # pins

    with closing(_django(proxy)) as connection:
        checkout()


async def with_async_django(proxy: Proxy, sql: str) -> None:
    """Run SQL as Django's async ORM: in a thread without a line of the application."""

    async def checkout() -> None:
        await sync_to_async(cursor.execute, thread_sensitive=False)(sql)  # pins

    connection = _django(proxy)
    connection.inc_thread_sharing()
    cursor = await sync_to_async(connection.cursor, thread_sensitive=False)()
    try:
        await checkout()
    finally:
        await sync_to_async(connection.close, thread_sensitive=False)()


def _django(proxy: Proxy) -> Any:
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": proxy.host,
        "PORT": proxy.port,
        "USER": proxy.user,
        "NAME": proxy.database,
    }
    return ConnectionHandler({"default": database})["default"]


async def with_async_psycopg(proxy: Proxy, sql: str) -> None:
    async def checkout() -> None:
        await connection.execute(sql.encode())  # pins

    async with await psycopg.AsyncConnection.connect(proxy.dsn) as connection:
        await checkout()


async def with_async_psycopg_pool(proxy: Proxy, sql: str) -> None:
    async def checkout() -> None:
        async with pool.connection() as connection:
            await connection.execute(sql.encode())  # pins

    async with psycopg_pool.AsyncConnectionPool(proxy.dsn, min_size=1) as pool:
        await checkout()


async def with_asyncpg(proxy: Proxy, sql: str) -> None:
    async def checkout() -> None:
        await connection.execute(sql)  # pins

    connection = await asyncpg.connect(proxy.url())
    try:
        await checkout()
    finally:
        await connection.close()


async def with_asyncpg_pool(proxy: Proxy, sql: str) -> None:
    async def checkout() -> None:
        async with pool.acquire() as connection:
            await connection.fetch(sql)  # pins

    async with asyncpg.create_pool(proxy.url(), min_size=1, reset=_kept) as pool:
        await checkout()


async def _kept(_connection: object) -> None:
    pass


def with_async_sqlalchemy(
    driver: str,
) -> Callable[[Proxy, str], Coroutine[Any, Any, None]]:
    async def work(proxy: Proxy, sql: str) -> None:
        async def checkout() -> None:
            await session.execute(sqlalchemy.text(sql))  # pins

        engine = create_async_engine(proxy.url(driver))
        try:
            async with AsyncSession(engine) as session:
                await checkout()
        finally:
            await engine.dispose()

    return work


async def with_sqlalchemy_s_run_sync(proxy: Proxy, sql: str) -> None:
    def checkout(session: Session) -> None:
        session.execute(sqlalchemy.text(sql))  # pins

    engine = create_async_engine(proxy.url("asyncpg"))
    try:
        async with AsyncSession(engine) as session:
            await session.run_sync(checkout)
    finally:
        await engine.dispose()


BLOCKING: Final = {
    "psycopg": with_psycopg,
    "psycopg-pool": with_psycopg_pool,
    "psycopg2": with_psycopg2,
    "pg8000": with_pg8000,
    "pg8000-native": with_pg8000_native,
    "django": with_django,
    "sqlalchemy-psycopg": with_sqlalchemy("psycopg"),
    "sqlalchemy-psycopg2": with_sqlalchemy("psycopg2"),
    "sqlalchemy-pg8000": with_sqlalchemy("pg8000"),
}
AWAITING: Final = {
    "psycopg": with_async_psycopg,
    "psycopg-pool": with_async_psycopg_pool,
    "asyncpg": with_asyncpg,
    "asyncpg-pool": with_asyncpg_pool,
    "django": with_async_django,
    "sqlalchemy-asyncpg": with_async_sqlalchemy("asyncpg"),
    "sqlalchemy-psycopg": with_async_sqlalchemy("psycopg"),
    "sqlalchemy-run_sync": with_sqlalchemy_s_run_sync,
}
