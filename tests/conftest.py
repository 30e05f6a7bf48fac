"""The fixtures that tests of several folders use."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from pinwatch.clock import Clock
from tests.databases import Databases
from tests.harness import Postgres, Proxies, embedded_postgres

pytest_plugins = ["pytester"]


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test sets it."""
    clock = Clock()
    clock.now = 1_000.0
    return clock


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL 18, one server for all tests of a process."""
    with embedded_postgres(18) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_16() -> Iterator[Postgres]:
    """PostgreSQL 16, one server for all tests of a process."""
    with embedded_postgres(16) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Databases:
    return Databases(postgres)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """An empty database."""
    with databases.empty() as name:
        yield name


@pytest.fixture
def target(postgres: Postgres, database: str) -> str:
    """The URL of the database, without a proxy."""
    return postgres.endpoint(database).url()


@pytest.fixture
def direct(postgres: Postgres, database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the database that does not go through a proxy."""
    with closing(postgres.connect(database)) as connection:
        yield connection


@pytest.fixture
def proxy(postgres: Postgres, database: str) -> Iterator[Proxies]:
    """Starts proxies for the database; they end with the test."""
    with ExitStack() as stack:
        yield Proxies(postgres, database, stack)
