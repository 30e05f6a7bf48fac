"""The init query that makes the SETs at the beginning of sessions unnecessary.

A setting belongs there if all sessions that set it use one value. The others are left
out, each with the reason.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pinwatch.production.assignments import set_statement

MAX_VALUES: Final = 1_000  # of one setting, by role

DIFFERS: Final = "its values differ between sessions"
CHANGES: Final = "sessions also change it later, and that pins them anyway"
LATE: Final = "sessions set it after other statements"
NOT_LOGGED: Final = "its value is not logged"

Given = tuple[str, str | None]
"""A role and the value that it gave to a setting, written as SQL.

The role is empty, and the value None, if the file does not have it.
"""


@dataclass(slots=True)
class Setting:
    """The values of a setting: how many sessions began with each, and later ones.

    ``dropped`` is true if there were more than MAX_VALUES.
    """

    begun: Counter[Given] = field(default_factory=Counter)
    later: dict[Given, None] = field(default_factory=dict)
    dropped: bool = False

    def begin(self, given: Given) -> None:
        if given in self.begun or len(self.begun) < MAX_VALUES:
            self.begun[given] += 1
        else:
            self.dropped = True

    def change(self, given: Given) -> None:
        if len(self.later) < MAX_VALUES:
            self.later[given] = None

    def values(self, role: str | None = None) -> Counter[str | None]:
        """Return the sessions by the value that they began with, of one role or all."""
        found: Counter[str | None] = Counter()
        for (one, value), count in self.begun.items():
            if role in (None, one):
                found[value] += count
        return found

    def problem(self, role: str | None = None) -> str:
        """Return the reason that no single value fits a role, or all roles.

        It is empty if one fits.
        """
        begun = self.values(role)
        later = {value for one, value in self.later if role in (None, one)}
        if None in begun or None in later:
            return NOT_LOGGED
        if self.dropped or len(begun) > 1:
            return DIFFERS
        if not begun:
            return LATE if later else ""
        return CHANGES if later - begun.keys() else ""

    def seen(self) -> list[str]:
        """Return all values, most frequent first."""
        begun = [value for value, _ in self.values().most_common()]
        later = [value for _, value in self.later]
        return [one for one in dict.fromkeys(begun + later) if one is not None]


@dataclass(frozen=True, slots=True)
class InitQuery:
    """The settings that sessions set at their beginning, by name; sessions is the
    number of all sessions, also of those that set nothing."""

    settings: Mapping[str, Setting]
    sessions: int

    @property
    def sql(self) -> str:
        """The statements, separated by semicolons; empty if no setting has one value.

        RDS Proxy runs them on each new database connection.
        """
        return "; ".join(set_statement(*one) for one in self.constant().items())

    def constant(self, role: str | None = None) -> dict[str, str]:
        """Return the value of each setting that has one, for a role or for all."""
        return {
            name: value
            for name, setting in self.settings.items()
            if not setting.problem(role)
            for value in setting.values(role)
            if value is not None
        }

    def left_out(self, role: str | None = None) -> dict[str, str]:
        """Return the reason for each setting that stays out, for a role or for all."""
        problems = {name: one.problem(role) for name, one in self.settings.items()}
        return {name: problem for name, problem in problems.items() if problem}

    def roles(self) -> list[str]:
        """Return the roles of the sessions that set something."""
        given = {role for one in self.settings.values() for role, _ in one.begun}
        return sorted(given)
