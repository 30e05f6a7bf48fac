"""PostgreSQL's regression tests: psql runs 200 scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside import server
from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import postgresql
from outside.workshop import Workshop

DATABASE: Final = "regression"
"""The name of the database, which tests and their expected output contain."""

QUICK: Final = (
    *("test_setup", "boolean", "int4", "float8", "numeric", "text", "timestamptz"),
    *("copy", "insert", "insert_conflict", "create_misc", "create_table"),
    *("create_index", "errors", "portals", "transactions", "prepare"),
    *("prepared_xacts", "plancache", "sequence", "guc"),
)


class Regress:
    """The parallel schedule of src/test/regress."""

    name = "postgresql-regress"
    setup = postgresql.setup(DATABASE)

    def prepare(self, workshop: Workshop) -> str:
        """Build pg_regress, and the library that the tests load."""
        self._folder = postgresql.build(workshop) / "test" / "regress"
        return server.version(server.programs())

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the schedule, or a few tests one after another."""
        schedule = [f"--schedule={self._folder / 'parallel_schedule'}"]
        return postgresql.run(
            self._folder / "pg_regress",
            DATABASE,
            QUICK if quick else schedule,
            place,
            folder,
            self._folder,
        )
