"""SQLAlchemy's tests of its PostgreSQL dialect, and those for all databases."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import pytests
from outside.workshop import Workshop

VERSION: Final = "2.1.9"
PACKAGES: Final = (
    f"SQLAlchemy[asyncio]=={VERSION}",
    "psycopg[binary]==3.3.9",
    "asyncpg==0.32.0",
    *pytests.REQUIREMENTS,
)
TESTS: Final = (
    "test/dialect/postgresql",
    "test/dialect/test_suite.py",
    "test/engine",
    "test/sql/test_query.py",
    "test/sql/test_returning.py",
)
QUICK: Final = (
    "test/dialect/postgresql/test_dialect.py",
    "test/dialect/postgresql/test_query.py",
    "test/dialect/postgresql/test_on_conflict.py",
)
SETUP: Final = (
    "CREATE SCHEMA test_schema",
    "CREATE SCHEMA test_schema_2",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION citext",
    "ALTER DATABASE outside SET default_text_search_config = 'pg_catalog.english'",
)


class SQLAlchemy:
    """The dialect with one driver."""

    setup = SETUP

    def __init__(self, driver: str) -> None:
        self.name = f"sqlalchemy-{driver}"
        self._driver = driver

    def prepare(self, workshop: Workshop) -> str:
        """Download the source distribution, and install the drivers."""
        source = workshop.sdist("sqlalchemy", VERSION)
        self._tests = workshop.once(
            f"sqlalchemy-{VERSION}", lambda folder: _copy(source, folder)
        )
        self._python = workshop.python("sqlalchemy", PACKAGES)
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests with the driver."""
        url = place.url(f"postgresql+{self._driver}")
        return pytests.run(
            self._python,
            ["-p", "no:warnings", f"--dburi={url}", *(QUICK if quick else TESTS)],
            tests=self._tests,
            folder=folder,
            environment={},
            settings=self._tests / "pyproject.toml",
        )


def _copy(source: Path, destination: Path) -> None:
    """Copy what the tests need; they use the package beside them."""
    pytests.copy(source, destination, ("test", "lib", "setup.cfg", "pyproject.toml"))
