"""Drivers and frameworks at their defaults, and the pins that they cause."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import django
import psycopg
import pytest
import sqlalchemy
from django.conf import settings as django_settings
from django.db.utils import ConnectionHandler

from tests.drivers import node
from tests.harness import Proxies, RunningProxy


@pytest.fixture
def proxy_of_two(proxy: Proxies) -> RunningProxy:
    return proxy(pool=2)


def rules(proxy: RunningProxy) -> list[str]:
    """Return the rules that pinned the only session, in order."""
    (session,) = proxy.proxy.sessions
    return list(session.pinning.rules)


async def test_asyncpg_s_pool_pins_at_the_release(proxy_of_two: RunningProxy) -> None:
    """Its reset query does, and nothing before it."""
    endpoint = proxy_of_two.endpoint()
    pool = await asyncpg.create_pool(endpoint.url(), min_size=1, max_size=1)
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT $1::int", 1) == 1
        assert rules(proxy_of_two) == []
    assert rules(proxy_of_two) == ["reset", "advisory_lock"]
    await pool.close()


async def test_asyncpg_s_pool_without_its_reset(proxy_of_two: RunningProxy) -> None:
    async def keep(connection: Any) -> None:
        pass

    pool = await asyncpg.create_pool(
        proxy_of_two.endpoint().url(), min_size=1, max_size=1, reset=keep
    )
    for _ in range(2):
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT $1::int", 1) == 1
    assert rules(proxy_of_two) == []
    await pool.close()


def test_psycopg_pins_by_deallocate_all(proxy_of_two: RunningProxy) -> None:
    """Which it sends after a rollback, and not for what it prepares by name."""
    with closing(psycopg.connect(proxy_of_two.endpoint().dsn)) as connection:
        for _ in range(10):
            connection.execute("SELECT %s::int", (1,))
            connection.commit()
        assert rules(proxy_of_two) == []
        connection.execute("SELECT %s::int", (1,))
        connection.rollback()
        connection.execute("SELECT 1")
        assert rules(proxy_of_two) == ["deallocate"]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_sqlalchemy_does_not_pin(proxy_of_two: RunningProxy, driver: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(proxy_of_two.endpoint().url(f"postgresql+{driver}"))
    for _ in range(2):
        async with engine.begin() as connection:
            one = await connection.execute(sqlalchemy.text("SELECT :a + 1"), {"a": 1})
            assert one.scalar() == 2
    assert rules(proxy_of_two) == []
    await engine.dispose()


@contextmanager
def django_connection(proxy: RunningProxy, **chosen: Any) -> Iterator[Any]:
    if not django_settings.configured:
        django_settings.configure()
        django.setup()
    endpoint = proxy.endpoint()
    configured = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": endpoint.host,
        "PORT": endpoint.port,
        "USER": endpoint.user,
        "NAME": endpoint.database,
    }
    with closing(ConnectionHandler({"default": configured | chosen})["default"]) as one:
        yield one


@pytest.mark.parametrize(
    ("chosen", "pins"),
    [
        ({}, []),
        ({"OPTIONS": {"assume_role": "postgres"}}, ["set"]),
        ({"TIME_ZONE": "Europe/Berlin"}, ["set_config"]),
    ],
)
async def test_django_sets_at_connect_what_the_server_has_not(
    proxy_of_two: RunningProxy, chosen: dict[str, Any], pins: list[str]
) -> None:
    def work() -> None:
        with django_connection(proxy_of_two, **chosen) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s", (1,))
                assert cursor.fetchone() == (1,)
            assert rules(proxy_of_two) == pins

    await asyncio.to_thread(work)


@pytest.mark.parametrize(
    ("queries", "expected", "pins"),
    [
        (["SELECT 1 AS a"], [[{"a": 1}]], []),
        ([{"text": "SELECT $1::int AS a", "values": [2]}], [[{"a": 2}]], []),
        ([{"name": "q", "text": "SELECT 3 AS a"}] * 2, [[{"a": 3}]] * 2, []),
        (["SET search_path TO app"], [[]], ["set"]),
    ],
)
def test_node_postgres(
    proxy_of_two: RunningProxy,
    node_modules: Path,
    queries: list[Any],
    expected: list[Any],
    pins: list[str],
) -> None:
    """It sends settings at startup, and pins by what the application sends only."""
    endpoint = proxy_of_two.endpoint()
    login = {
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "database": endpoint.database,
        "application_name": "node",
    }
    with node.answers(node_modules, login, queries) as answers:
        assert answers == expected
        assert rules(proxy_of_two) == pins
