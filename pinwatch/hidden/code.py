"""The code of one database, and the part of it that left a state.

Owns the names of custom settings, which PostgreSQL does not list: only those that occur
in the code are known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pinwatch.hidden.catalogue import FUNCTIONS, TRIGGERS, Catalogue
from pinwatch.hidden.paths import Follower, Path
from pinwatch.hidden.probe import State
from pinwatch.hidden.wording import ADVISORY_LOCK, kind_of

POLICIES: Final = """
SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(polqual, polrelid),
                            pg_catalog.pg_get_expr(polwithcheck, polrelid))
FROM pg_catalog.pg_policy
"""
"""Rows with the expressions of a policy."""
QUERIES: Final = (FUNCTIONS, TRIGGERS, POLICIES)
"""The queries whose rows make a ``Code``."""
CUSTOM_SETTING: Final = re.compile(
    r"""(?:'|\bset\s+(?:local\s+|session\s+)?)([a-z_]\w*(?:\.[a-z_]\w*)+)""",
    re.IGNORECASE | re.ASCII,
)
"""Matches a name with a dot in a string, as set_config takes it, or after SET."""
UNKNOWN_NAME: Final = re.compile(r"^$|\.\.\.|\?|^, |, $")
"""Matches the name of a state that only a run would show."""


def custom_settings(texts: Iterable[str]) -> frozenset[str]:
    """Return the names in SQL that may be those of custom settings, in lower case."""
    return frozenset(
        name.lower() for text in texts for name in CUSTOM_SETTING.findall(text)
    )


@dataclass(frozen=True, slots=True)
class Code:
    """The functions, triggers and policies of a database, at one version."""

    version: str
    custom_settings: frozenset[str]
    follower: Follower

    @classmethod
    def of(cls, version: str, rows: Sequence[Sequence[Sequence[str | None]]]) -> "Code":
        """Build the code from the rows of QUERIES."""
        functions, triggers, policies = rows
        texts = [row[-1] or "" for row in (*functions, *policies)]
        catalogue = Catalogue(functions, triggers)
        return cls(version, custom_settings(texts), Follower(catalogue))

    def path_to(self, state: State, statement: str) -> Path | None:
        """Return the way by which a statement left a state, if the code shows one.

        A path that names this state is preferred to one whose name is only known at run
        time.
        """
        unknown = None
        for path in self._paths(state.kind, statement):
            name = path.left.name
            if _folded(state.kind, name) == _folded(state.kind, state.name):
                return path
            if UNKNOWN_NAME.search(name):
                unknown = unknown or path
        return unknown

    def _paths(self, kind: str, statement: str) -> Iterator[Path]:
        for path in self.follower.follow(statement).paths:
            if kind_of(path.left.kind, path.left.name) == kind:
                yield path


def _folded(kind: str, name: str) -> str:
    return name.replace(" ", "") if kind == ADVISORY_LOCK else name.lower()
