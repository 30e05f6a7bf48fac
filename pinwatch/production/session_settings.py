"""Follows sessions from their beginning to their first work, and keeps what they set.

The beginning of a session ends with its first statement other than SET, RESET, SHOW and
transaction control. After DISCARD ALL it is a new session.
"""

from dataclasses import dataclass, field
from typing import Final

from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.production.assignments import Assignment, Other, Reset, Step, steps
from pinwatch.production.init_query import InitQuery, Setting
from pinwatch.production.parameters import bound

MAX_SESSIONS: Final = 100_000  # the oldest one is forgotten for a new one
MAX_SETTINGS: Final = 1_000
NOT_RESET: Final = ("role", "seed", "session_authorization")
"""The settings that RESET ALL leaves as they are."""


@dataclass(slots=True)
class Session:
    """The values that a session has set; ``begun`` is true after its first work.

    ``before`` has the values as of BEGIN, while a transaction is open.
    """

    role: str
    begun: bool = False
    values: dict[str, str | None] = field(default_factory=dict)
    before: dict[str, str | None] | None = None

    def reset(self, name: str | None) -> None:
        """Forget the value of a setting; None stands for RESET ALL."""
        if name is not None:
            self.values.pop(name, None)
            return
        kept = [one for one in self.values if one in NOT_RESET]
        self.values = {one: self.values[one] for one in kept}

    def begin_transaction(self) -> None:
        """Note the values; PostgreSQL only warns of a second BEGIN."""
        if self.before is None:
            self.before = self.values.copy()

    def roll_back(self) -> None:
        if self.before is not None:
            self.values, self.before = self.before, None


class SessionSettings:
    """Adds up the settings of sessions; ``init_query`` returns the result."""

    def __init__(self) -> None:
        self._count = 0
        self._settings: dict[str, Setting] = {}
        self._sessions: dict[str, Session] = {}

    def add(self, name: str, role: str, sql: str, sets: bool, detail: str = "") -> None:
        """Add a text of a session.

        ``sets`` is false if the text is known to neither set nor discard anything.
        ``detail`` may have the values of its parameters.
        """
        session = self._sessions.get(name)
        if session is None:
            session = self._open(name, role)
        if sets or not session.begun:
            for step in _steps(bound(sql, detail)):
                session = self._take(name, session, step)

    def init_query(self) -> InitQuery:
        """End all sessions, and return what they set."""
        while self._sessions:
            self._end(next(iter(self._sessions)))
        return InitQuery(self._settings, self._count)

    def _take(self, name: str, session: Session, step: Step) -> Session:
        match step:
            case Assignment(setting, value) if session.begun:
                self._setting(setting).change((session.role, value))
            case Other.DISCARD_ALL:
                self._end(name)
                return self._open(name, session.role)
            case Other.WORK:
                self._begin(session)
            case _ if not session.begun:
                _follow(session, step)
        return session

    def _open(self, name: str, role: str) -> Session:
        if len(self._sessions) >= MAX_SESSIONS:
            self._end(next(iter(self._sessions)))
        session = Session(role if role.isprintable() else "")
        self._sessions[name] = session
        return session

    def _begin(self, session: Session) -> None:
        if not session.begun:
            session.begun = True
            self._count += 1
            for setting, value in session.values.items():
                self._setting(setting).begin((session.role, value))
            session.values.clear()

    def _end(self, name: str) -> None:
        """Forget a session; one that set something has begun, even without work."""
        session = self._sessions.pop(name)
        if session.values:
            self._begin(session)

    def _setting(self, name: str) -> Setting:
        """Return a setting; those beyond MAX_SETTINGS are not kept."""
        if name not in self._settings and len(self._settings) >= MAX_SETTINGS:
            return Setting()
        return self._settings.setdefault(name, Setting())


def _follow(session: Session, step: Step) -> None:
    """Change the values of a session that has not begun."""
    match step:
        case Assignment(setting, value):
            session.values[setting] = value
        case Reset(setting):
            session.reset(setting)
        case Other.BEGIN:
            session.begin_transaction()
        case Other.COMMIT:
            session.before = None
        case Other.ROLLBACK:
            session.roll_back()


def _steps(sql: str) -> tuple[Step, ...]:
    """Return the steps of a text; one that is too long to keep counts as work."""
    if len(sql) > MAX_STATEMENT:
        return (Other.WORK,)
    return steps(sql.encode("utf-8", "replace").decode())  # JSON may have surrogates
