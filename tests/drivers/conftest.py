"""The two ways to the database: each driver's cases hold on both.

What a driver does directly is what it has to do through the proxy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.drivers import node
from tests.drivers.route import Route
from tests.harness import Postgres, Proxies
from tests.live.rivals import rivals

TABLE = "CREATE TABLE account (id int PRIMARY KEY, owner text, balance int NOT NULL)"
ROWS = "INSERT INTO account VALUES (1, 'Ada', 100), (2, 'Zoë', 100)"


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node-postgres."""
    if node.npm() is None:
        pytest.skip("node-postgres needs npm, which is not installed")
    folder = tmp_path_factory.mktemp("node")
    node.install(folder)
    return folder


@pytest.fixture(params=["direct", "proxy"])
def route(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    database: str,
    direct: psycopg.Connection[Any],
    proxy: Proxies,
) -> Iterator[Route]:
    """To a database with two accounts of 100 each."""
    direct.execute(TABLE)
    direct.execute(ROWS)
    if request.param == "direct":
        yield Route(postgres.endpoint(database), direct, None)
        return
    endpoint = proxy(pool=2).endpoint()
    with rivals(endpoint) as pair:
        yield Route(endpoint, direct, pair)
