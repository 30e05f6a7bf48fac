"""The code of one database, and the part of it that left a state."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pinwatch.hidden.catalogue import FUNCTIONS, TRIGGERS, Catalogue, Row
from pinwatch.hidden.paths import Follower, Path
from pinwatch.hidden.probe import State
from pinwatch.hidden.wording import ADVISORY_LOCK, kind_of

QUERIES: Final = (FUNCTIONS, TRIGGERS)
"""The queries whose rows make a ``Code``."""
UNKNOWN_NAME: Final = re.compile(r"^$|\.\.\.|\?|^, |, $")
"""Matches the name of a state that only a run would show."""


@dataclass(frozen=True, slots=True)
class Code:
    """The functions and triggers of a database, at one version."""

    version: str
    functions: Sequence[Row]
    triggers: Sequence[Row]

    def seen_from(self, path: Iterable[str]) -> Follower:
        """Return a follower of statements that run under a search path."""
        return Follower(Catalogue(self.functions, self.triggers, path))


def path_to(state: State, paths: Iterable[Path]) -> Path | None:
    """Return the path that leads to a state, if there is one.

    A path that names this state is preferred to one whose name is only known at run
    time.
    """
    unknown = None
    for path in _of_kind(state.kind, paths):
        name = path.left.name
        if _folded(state.kind, name) == _folded(state.kind, state.name):
            return path
        if UNKNOWN_NAME.search(name):
            unknown = unknown or path
    return unknown


def _of_kind(kind: str, paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if kind_of(path.left.kind, path.left.name) == kind:
            yield path


def _folded(kind: str, name: str) -> str:
    return name.replace(" ", "") if kind == ADVISORY_LOCK else name.lower()
