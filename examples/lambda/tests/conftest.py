"""Connect the functions to the proxy. Nothing else changes."""

from collections.abc import Iterator

import pytest
from shop import database

import pinwatch


@pytest.fixture(scope="session", autouse=True)
def orders(pinwatch_proxy: pinwatch.Proxy) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", pinwatch_proxy.url())
        database.connection().execute(
            "CREATE TABLE IF NOT EXISTS orders (total int NOT NULL)"
        )
        yield
        database.connection().close()
