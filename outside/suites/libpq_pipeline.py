"""PostgreSQL's test of libpq's pipeline mode, which compares the messages, too."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from outside import commands, server
from outside.outcomes import FAILED, PASSED, SKIPPED, UNFINISHED, Outcomes
from outside.server import Place
from outside.suites import postgresql
from outside.workshop import Workshop

ROWS: Final = 700
TIMEOUT: Final = 300
"""Seconds that one test may take."""

SLOW: Final = {"uniqviol"}
"""Tests that are not in the quick subset: it sends 400,000 statements."""


class LibpqPipeline:
    """src/test/modules/libpq_pipeline."""

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
            if quick and name in SLOW:
                continue
            trace = folder / f"{name}.trace"
            expected = self._folder / "traces" / trace.name
            traced = ("-t", trace) if expected.exists() else ()
            command = (program, "-r", str(ROWS), *traced, name, place.url())
            found[name] = _test(command, folder / f"{name}.log")
            if traced:
                found[f"{name} trace"] = _same(trace, expected)
        return found


def _test(command: Sequence[str | Path], log: Path) -> str:
    status = commands.run(command, log=log, timeout=TIMEOUT)
    if status is None:
        return UNFINISHED
    return PASSED if status == 0 else FAILED


def _same(trace: Path, expected: Path) -> str:
    if not trace.exists():
        return SKIPPED
    return PASSED if trace.read_bytes() == expected.read_bytes() else FAILED
