"""The tests of psycopg 3, from a checkout: its source distribution has none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import pytests
from outside.workshop import Workshop, checkout_version

MARKS: Final = "not slow and not timing and not proxy and not mypy and not refcount"
QUICK: Final = (
    *("tests/test_cursor.py", "tests/test_prepared.py", "tests/test_pipeline.py"),
    *("tests/test_copy.py", "tests/test_transaction.py"),
)

_NO_CACHE: Final = """\
class Cache:
    def get(self, key, default):
        return default

    def set(self, key, value):
        pass


def pytest_configure(config):
    config.cache = Cache()
"""
"""A plugin in place of pytest's cache, in which psycopg's conftest.py notes that a run
has begun. The process that runs the tests would take that for an earlier crash."""


class Psycopg:
    """psycopg's tests, with its implementation in Python and the system's libpq."""

    name = "psycopg"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Find the checkout, and install its packages."""
        self._tests = workshop.checkout(self.name, "psycopg")
        version = checkout_version(self._tests, "[0-9]*")
        self._python = workshop.python(
            f"psycopg-{version}",
            [
                str(self._tests / "psycopg"),
                str(self._tests / "psycopg_pool"),
                "anyio==4.16.0",
                "dnspython==2.8.0",
                *pytests.REQUIREMENTS,
            ],
        )
        return version

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests that need neither mypy nor a second proxy."""
        (folder / "no_cache.py").write_text(_NO_CACHE)
        dsn = f"host={place.host} port={place.port} user={place.user}"
        return pytests.run(
            self._python,
            ["-p", "no_cache", "-m", MARKS, *(QUICK if quick else ("tests",))],
            tests=self._tests,
            folder=folder,
            environment={
                "PSYCOPG_TEST_DSN": f"{dsn} dbname={place.database} sslmode=disable",
                "PSYCOPG_IMPL": "python",
                "PYTHONPATH": str(folder),
            },
            settings=self._tests / "pyproject.toml",
            ends_hung=True,
        )
