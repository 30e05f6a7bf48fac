"""The tests of postgres.js, a driver for Node.js."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.commands import Broken
from outside.outcomes import Outcomes
from outside.server import USER, Place
from outside.suites import node
from outside.workshop import Workshop, checkout_version

FRAMEWORK: Final = Path(__file__).with_suffix(".js")
PORT: Final = "5432"
"""The port that some tests name."""

ROLES: Final = re.compile("(?<=user: ')postgres_js_test\\w*")
"""The roles that the tests log in with. The proxy of a run knows one, the superuser."""


class PostgresJs:
    """The tests with the ECMAScript modules; there is no quick subset."""

    name = "postgres-js"
    setup = (f"ALTER ROLE {USER} SET synchronous_commit = on",)

    def prepare(self, workshop: Workshop) -> str:
        """Find the checkout. The driver needs no other package."""
        node.program()
        self._checkout = workshop.checkout(self.name, "postgres.js")
        return checkout_version(self._checkout)

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests, which create a database, in a copy with this framework."""
        log, report = folder / "node.log", folder / "report.json"
        status = commands.run(
            [node.program(), self._copy(place, folder / "copy")],
            log=log,
            timeout=node.TIMEOUT,
            folder=folder,
            environment={
                **place.environment(),
                "PGDATABASE": USER,
                "OUTSIDE_REPORT": str(report),
            },
        )
        if status is None or not report.exists():
            raise Broken(f"the tests of postgres.js did not end: {commands.tail(log)}")
        return outcomes.go(report.read_text().splitlines())

    def _copy(self, place: Place, copy: Path) -> Path:
        """Copy the driver and its tests; return the file to run."""
        for name in ("src", "tests"):
            shutil.copytree(self._checkout / name, copy / name)
        shutil.copy(self._checkout / "package.json", copy)
        shutil.copy(FRAMEWORK, copy / "tests" / "test.js")
        tests = copy / "tests" / "index.js"
        text = tests.read_text().replace(PORT, str(place.port))
        tests.write_text(ROLES.sub(place.user, text))
        return tests
