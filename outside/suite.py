"""A suite of tests of another project, as the runner sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from outside.outcomes import Outcomes
from outside.server import Place
from outside.workshop import Workshop


class Suite(Protocol):
    """A suite of tests that this project did not write."""

    @property
    def name(self) -> str:
        """The name on the command line and in the list of differences."""

    @property
    def setup(self) -> Sequence[str]:
        """Statements that run in the database, directly, before each run."""

    def prepare(self, workshop: Workshop) -> str:
        """Download and build the suite; return its version.

        Raises Skipped if a registry or a program is missing, Broken if a build fails.
        """

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests, or the quick subset, against an address.

        Logs go into ``folder``. `prepare` has been called before.
        """
