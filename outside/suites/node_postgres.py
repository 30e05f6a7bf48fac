"""The tests of node-postgres, a driver for Node.js, of its pool and its cursors."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.outcomes import FAILED, PASSED, UNFINISHED, Outcomes
from outside.server import Place
from outside.suites import node
from outside.workshop import Workshop, checkout_version

SUITE: Final = Path(__file__).with_suffix(".js")
PACKAGES: Final = (
    *("pg-protocol@1.16.0", "pg-connection-string@2.14.0", "pg-cloudflare@1.4.0"),
    *("pg@8.23.0", "pg-pool@3.14.0", "pg-cursor@2.22.0", "pg-copy-streams@0.3.0"),
    *("async@2.6.4", "bluebird@3.7.2", "co@4.6.0", "expect.js@0.3.1"),
    *("lodash@4.17.21", "mocha@11.7.5"),
)
"""The packages that the tests need. The driver itself is the checkout's."""

NEEDS_TLS: Final = ("ssl-tests.js", "2085-tests.js")
"""Files that need a server with a certificate."""

MOCHA: Final = ("pg-pool", "pg-cursor")
QUICK: Final = ("test/integration/client",)
TIMEOUT: Final = 30
"""Seconds that the tests of a file may take."""


class NodePostgres:
    """The integration tests of pg, with its implementation in JavaScript."""

    name = "node-postgres"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Find the checkout, and install the packages that its tests need."""
        self._tests = workshop.checkout(self.name, "node-postgres") / "packages"
        self._modules = workshop.npm(self.name, PACKAGES)
        return checkout_version(self._tests, "pg@*").removeprefix("pg@")

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run a process for each file of pg's tests, and Mocha for the others."""
        found: Outcomes = {}
        package = self._tests / "pg"
        for file in sorted(package.glob("test/integration/**/*-tests.js")):
            name = str(file.relative_to(package))
            chosen = not quick or name.startswith(QUICK)
            if chosen and not name.endswith(NEEDS_TLS):
                found |= self._file(name, place, folder)
        for name in () if quick else MOCHA:
            found |= node.mocha(
                self._modules,
                tests=self._tests / name,
                folder=folder,
                environment=place.environment(),
            )
        return found

    def _file(self, name: str, place: Place, folder: Path) -> Outcomes:
        """Run a file; one that has no named test is a test itself."""
        report = folder / "report.json"
        report.write_text("")
        status = commands.run(
            [node.program(), "--require", SUITE, name],
            log=folder / f"{Path(name).stem}.log",
            timeout=TIMEOUT,
            folder=self._tests / "pg",
            environment={
                **place.environment(),
                "NODE_PATH": str(self._modules),
                "OUTSIDE_REPORT": str(report),
            },
        )
        if found := outcomes.go(report.read_text().splitlines()):
            return found
        if status is None:
            return {name: UNFINISHED}
        return {name: PASSED if status == 0 else FAILED}
