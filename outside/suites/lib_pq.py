"""The tests of lib/pq, a driver for Go, from Debian's source package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import golang
from outside.workshop import Workshop

PACKAGE: Final = "golang-github-lib-pq"
VERSION: Final = "1.10.7-2"
PACKAGES: Final = ("./...",)
QUICK: Final = ("-run=Query|Prepare|Stmt|Exec|Copy|Encode|Bind", ".")


class LibPq:
    """All packages of the module."""

    name = "lib-pq"
    setup = ("CREATE DATABASE pqgotest", "CREATE EXTENSION hstore")

    def prepare(self, workshop: Workshop) -> str:
        """Download the source and compile the tests."""
        self._tests = workshop.debian_source(PACKAGE, VERSION)
        workshop.say("compiling lib/pq's tests")
        golang.compile_tests(self._tests, PACKAGES, workshop.log("lib-pq"))
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests, in the database that they name by default."""
        environment = {**place.environment(), "PGDATABASE": "pqgotest"}
        return golang.run(
            QUICK if quick else PACKAGES,
            tests=self._tests,
            folder=folder,
            environment=environment,
        )
