"""The ways to the database: each driver's cases hold on all.

What a driver does directly is what it has to do through the proxy.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.containers import NO_ENGINE, engine_answers, postgres_containers
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


@pytest.fixture(scope="session")
def containers() -> Iterator[Callable[[int], Postgres]]:
    if not engine_answers():
        pytest.skip(NO_ENGINE)
    with postgres_containers() as started:
        yield started


@pytest.fixture(
    params=[
        "direct",
        "proxy",
        pytest.param(13, marks=pytest.mark.docker, id="PostgreSQL 13"),
        pytest.param(17, marks=pytest.mark.docker, id="PostgreSQL 17"),
    ]
)
def route(request: pytest.FixtureRequest) -> Iterator[Route]:
    """A route to a database with two accounts of 100 each."""
    if isinstance(request.param, int):
        server = request.getfixturevalue("containers")(request.param)
    else:
        server = request.getfixturevalue("postgres")
    with ExitStack() as stack:
        database = stack.enter_context(server.new_database())
        direct = stack.enter_context(closing(server.connect(database)))
        direct.execute(TABLE)
        direct.execute(ROWS)
        if request.param == "direct":
            yield Route(server.endpoint(database), direct, None)
            return
        endpoint = Proxies(server, database, stack)(pool=2).endpoint()
        pair = stack.enter_context(rivals(endpoint))
        yield Route(endpoint, direct, pair)
