"""PostgreSQL's isolation tests: several sessions in every order of their steps."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside import server
from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import postgresql
from outside.workshop import Workshop

DATABASE: Final = "isolation_regression"
"""The name of the database, which tests and their expected output contain."""

QUICK: Final = (
    *("read-write-unique", "simple-write-skew", "deadlock-simple", "fk-deadlock"),
    *("lock-update-delete", "insert-conflict-do-update", "merge-update", "nowait"),
    *("skip-locked", "delete-abort-savept", "aborted-keyrevoke", "sequence-ddl"),
)
"""Tests of two sessions: all sessions are pinned, and small-pool has three connections,
one of them for isolationtester's own session."""


class Isolation:
    """The schedule of src/test/isolation."""

    name = "postgresql-isolation"
    setup = postgresql.setup(DATABASE)

    def prepare(self, workshop: Workshop) -> str:
        """Build isolationtester."""
        self._folder = postgresql.build(workshop) / "test" / "isolation"
        return server.version(server.programs())

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the schedule, or a few tests of two sessions."""
        schedule = [f"--schedule={self._folder / 'isolation_schedule'}"]
        return postgresql.run(
            self._folder / "pg_isolation_regress",
            DATABASE,
            QUICK if quick else schedule,
            place,
            folder,
            self._folder,
        )
