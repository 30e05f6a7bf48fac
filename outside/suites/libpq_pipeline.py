"""PostgreSQL's test of libpq's pipeline mode, which compares the messages, too."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from outside import commands, server
from outside.outcomes import FAILED, PASSED, SKIPPED, UNFINISHED, Outcomes
from outside.server import Place
from outside.suites import postgresql
from outside.workshop import Workshop

ROWS: Final = 700
TIMEOUT: Final = 60
"""Seconds that one test may take."""


class LibpqPipeline:
    """src/test/modules/libpq_pipeline, all of which is quick."""

    name = "postgresql-libpq-pipeline"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Build libpq_pipeline."""
        modules = postgresql.build(workshop) / "test" / "modules"
        self._folder = modules / "libpq_pipeline"
        return server.version(server.programs())

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run each test, and compare its trace if an expected one exists."""
        program = self._folder / "libpq_pipeline"
        names = subprocess.run(
            [program, "tests"], capture_output=True, text=True, check=True
        ).stdout.split()
        found: Outcomes = {}
        for name in names:
            trace = folder / f"{name}.trace"
            found[name] = self._test(program, name, trace, place, folder)
            expected = self._folder / "traces" / trace.name
            if expected.exists():
                found[f"{name} trace"] = _same(trace, expected)
        return found

    def _test(
        self, program: Path, name: str, trace: Path, place: Place, folder: Path
    ) -> str:
        arguments = ("-r", str(ROWS), "-t", trace, name, place.url())
        status = commands.run(
            [program, *arguments], log=folder / f"{name}.log", timeout=TIMEOUT
        )
        if status is None:
            return UNFINISHED
        return PASSED if status == 0 else FAILED


def _same(trace: Path, expected: Path) -> str:
    if not trace.exists():
        return SKIPPED
    return PASSED if trace.read_bytes() == expected.read_bytes() else FAILED
