"""Connect two processes of the application to the proxy, and give it one connection."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from shop.database import connect
from sqlalchemy import Engine, make_url

import pinwatch

SCHEMA = Path(__file__).parents[1] / "shop" / "schema.sql"


@pytest.fixture(scope="session")
def pinwatch_settings() -> dict[str, Any]:
    """All tenants share one database connection; the owner and the shop may log in."""
    return {
        "max_connections": 1,
        "auth": [
            {"username": "postgres", "password": "owner"},
            {"username": "shop", "password": "shop"},
        ],
    }


@pytest.fixture(scope="session")
def url(pinwatch_proxy: pinwatch.Proxy) -> Iterator[str]:
    """The application's URL. Its role owns no table, so the policy applies to it."""
    owner = psycopg.connect(pinwatch_proxy.dsn, password="owner", autocommit=True)
    with closing(owner):
        owner.execute(SCHEMA.read_bytes())
        try:
            login = make_url(pinwatch_proxy.url("psycopg"))
            shop = login.set(username="shop", password="shop")
            yield shop.render_as_string(hide_password=False)
        finally:
            owner.execute("DROP TABLE orders; DROP FUNCTION set_tenant")
            owner.execute("DROP ROLE shop")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def other(url: str) -> Iterator[Engine]:
    """The engine of another process, which has a client connection of its own."""
    engine = connect(url)
    yield engine
    engine.dispose()
