"""The tests of pgx, a driver for Go, and of its pool."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import golang
from outside.workshop import Workshop

MODULE: Final = "github.com/jackc/pgx/v5"
VERSION: Final = "v5.13.0"
PACKAGES: Final = ("./...",)
QUICK: Final = ("-run=Query|Prepare|Batch|Copy|Tx|Pipeline", ".", "./pgxpool")


class Pgx:
    """All packages of the module."""

    name = "pgx"
    setup = (
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION ltree",
        "CREATE DOMAIN uint64 AS numeric(20,0)",
    )

    def prepare(self, workshop: Workshop) -> str:
        """Download the module and those that its tests need, and compile them."""
        self._tests = workshop.go_module(MODULE, VERSION)
        workshop.say("compiling pgx's tests")
        golang.compile_tests(self._tests, PACKAGES, workshop.log("pgx"))
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests."""
        return golang.run(
            QUICK if quick else PACKAGES,
            tests=self._tests,
            folder=folder,
            environment={"PGX_TEST_DATABASE": f"{place.url()}?sslmode=disable"},
        )
