"""The tests of asyncpg."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import pytests
from outside.workshop import Workshop

VERSION: Final = "0.32.0"
PACKAGES: Final = (f"asyncpg=={VERSION}", "distro==1.9.0", *pytests.REQUIREMENTS)
TESTS: Final = (
    "--ignore=tests/test__sourcecode.py",  # runs linters
    "tests",
)
QUICK: Final = (
    *("-k", "not cancel and not timeout and not interrupted and not server_failure"),
    "tests/test_copy.py",
    "tests/test_cursor.py",
    "tests/test_execute.py",
    "tests/test_prepare.py",
    "tests/test_transaction.py",
)


class Asyncpg:
    """asyncpg's own tests, which skip those that start a server themselves."""

    name = "asyncpg"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Download the source distribution, and use its tests with the wheel."""
        source = workshop.sdist("asyncpg", VERSION)
        self._tests = workshop.once(
            f"asyncpg-{VERSION}",
            lambda folder: pytests.copy(source, folder, ("tests",)),
        )
        self._python = workshop.python("asyncpg", PACKAGES)
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests."""
        return pytests.run(
            self._python,
            QUICK if quick else TESTS,
            tests=self._tests,
            folder=folder,
            environment=place.environment(),
            timeout=3600,
            test_timeout=60,  # its own timeout is 30 s
            ends_hung=True,  # a cancelled COPY waits for the server
        )
