"""The tests of DBD::Pg, a driver for Perl."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.outcomes import PASSED, UNFINISHED, Outcomes
from outside.server import Place
from outside.workshop import Workshop, checkout_version, program

DBI: Final = ("libdbi-perl", "1.643-4+deb12u3")
QUICK: Final = (
    "02attribs.t",
    "03smethod.t",
    "07copy.t",
    "09arrays.t",
    "20savepoints.t",
)
TIMEOUT: Final = 120
"""Seconds that the tests of a file may take."""


class DBDPg:
    """The tests that need no other program of the author's."""

    name = "dbd-pg"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Find the checkout, and compile it with Debian's DBI."""
        source = workshop.checkout(self.name, "DBD::Pg")
        version = checkout_version(source)
        root = workshop.debian_package(*DBI)
        self._libraries = [str(folder) for folder in root.glob("usr/lib/*/perl5/*")]
        log = workshop.log(self.name)

        def compile_in(folder: Path) -> None:
            workshop.say("compiling DBD::Pg")
            tree = folder / "tree"
            shutil.copytree(source, tree)
            perl = program("perl", "apt-get install perl libpq-dev")
            for command in ([perl, "Makefile.PL"], ["make"]):
                commands.must(
                    command, log=log, folder=tree, environment=self._environment
                )

        self._tree = workshop.once(f"dbd-pg-{version}", compile_in) / "tree"
        return version

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run each file of tests in a copy, as they write into their folder."""
        copy = folder / "copy"
        shutil.copytree(self._tree, copy)
        server = f"host={place.host};port={place.port};sslmode=disable"
        environment = {
            **self._environment,
            "DBI_DSN": f"dbi:Pg:dbname={place.database};{server}",
            "DBI_USER": place.user,
        }
        found: Outcomes = {}
        for file in sorted(copy.glob("t/[0-9]*.t")):
            if quick and file.name not in QUICK:
                continue
            log = folder / f"{file.stem}.log"
            status = commands.run(
                ["perl", f"t/{file.name}"],
                log=log,
                timeout=TIMEOUT,
                folder=copy,
                environment=environment,
            )
            tests = outcomes.tap(log.read_text(errors="replace"))
            found |= {
                f"{file.name}::{test}": outcome for test, outcome in tests.items()
            }
            found[file.name] = UNFINISHED if status is None else PASSED
        shutil.rmtree(copy)
        return found

    @property
    def _environment(self) -> dict[str, str]:
        return {"PERL5LIB": ":".join(self._libraries)}
