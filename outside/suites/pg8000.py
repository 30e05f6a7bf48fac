"""The tests of pg8000, a driver in pure Python."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import USER, Place
from outside.suites import pytests
from outside.workshop import Workshop

VERSION: Final = "1.31.6"
PACKAGES: Final = (
    f"pg8000=={VERSION}",
    "pytest-mock==3.15.1",
    "pytz==2025.2",
    *pytests.REQUIREMENTS,
)
TESTS: Final = (
    "--ignore-glob=*/auth/*",  # need a server with other logins
    "--ignore-glob=*/test_benchmarks.py",  # measure, and test nothing
    "--deselect=test/test_readme.py",  # connects to the port 5432
    "test",
)
QUICK: Final = (
    "test/native",
    "--ignore-glob=*/auth/*",
    "--ignore-glob=*/test_benchmarks.py",
    "--deselect=test/native/test_query.py::test_max_parameters",  # 32,767 of them
)


class Pg8000:
    """pg8000's own tests, apart from those of authentication methods."""

    name = "pg8000"
    setup = (f"\\connect {USER}", "CREATE EXTENSION hstore")

    def prepare(self, workshop: Workshop) -> str:
        """Download the source distribution and create the environment."""
        self._tests = workshop.sdist("pg8000", VERSION)
        self._python = workshop.python("pg8000", PACKAGES)
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests, which connect to the database ``postgres``."""
        return pytests.run(
            self._python,
            QUICK if quick else TESTS,
            tests=self._tests,
            folder=folder,
            environment=place.environment(),
        )
