"""One ranking of what pins, from the records of all files.

A row stands for all pins by one rule with one digest. Memory grows with the rows, with
the clients that are connected at a time, and by a few bytes for each pin, by which the
pins of overlapping exports are counted once.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Final

from pinwatch.pins.alike import alike
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.digest import fold
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.production.judgement import (
    MAX_TEXTS,
    Cause,
    cause_of,
    first_cause,
    judged,
    oversize_cause,
)
from pinwatch.production.records import (
    Connected,
    Disconnected,
    Executed,
    Pinned,
    Record,
    Sent,
)
from pinwatch.production.session_settings import SessionSettings
from pinwatch.production.sessions import PinnedSessions
from pinwatch.production.timeline import Timeline

MAX_CLIENTS: Final = 100_000  # whose host, or latest prepared pin, is kept
MAX_HOSTS: Final = 1_000  # of one row
MAX_SUSPECTS: Final = 20
NEAR_LIMIT: Final = 0.8  # of the size that pins: normalised text is shorter than sent

Kind = tuple[str, ...]
"""A rule, or a rule and a digest."""


@dataclass(slots=True)
class Row:
    """The pins by one rule with one digest: their number, times and clients.

    - cut_off: True if all lines have only the beginning of the digest.
    - count: the pins that RDS Proxy logged.
    - ahead: its lines about prepared statements that would pin.
    - calls: the executions in statistics or in a database's log.
    - seconds: the time from each pin to the end of its client, or of the log.
    - lasting: the pins whose clients had not ended when the log ended.
    - clients: the pins whose line has the number of its client.
    - peak_without: the largest number of sessions that would have been pinned at a time
      without these pins.
    """

    cause: Cause
    digest: str
    cut_off: bool = False
    count: int = 0
    ahead: int = 0
    calls: int = 0
    first: datetime | None = None
    last: datetime | None = None
    seconds: float = 0.0
    lasting: int = 0
    peak_without: int = 0
    clients: int = 0
    hosts: Counter[str] = field(default_factory=Counter)  # pins by host
    applications: set[str] = field(default_factory=set)

    def seen(self, at: datetime | None) -> None:
        if at is not None:
            self.first = _earlier(self.first, at)
            self.last = _later(self.last, at)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A statement that may be longer than RDS Proxy's limit; size is in bytes."""

    digest: str
    size: int
    calls: int
    is_certain: bool


class Recent(OrderedDict[str, str]):
    """A text for each of the latest MAX_CLIENTS clients."""

    def note(self, client: str, text: str) -> None:
        if client:
            self[client] = text
            self.move_to_end(client)
            if len(self) > MAX_CLIENTS:
                self.popitem(last=False)


class Ranking:
    """Adds up records; ``rows`` returns the result."""

    def __init__(self) -> None:
        self.repeated = 0  # pins that an earlier file had, too
        self.first: datetime | None = None  # of all records
        self.last: datetime | None = None
        self.peak_clients = 0  # connected at a time; 0 if no line says so
        self.timeline = Timeline()  # of pins
        self.settings = SessionSettings()
        self._rows: dict[Kind, Row] = {}
        self._sessions: PinnedSessions[Kind] = PinnedSessions()
        self._hosts = Recent()
        self._prepared = Recent()  # the digest that will pin, by client
        self._seen: set[int] = set()
        self._suspects: list[Suspect] = []
        self._cache = VerdictCache()

    def add(self, record: Record) -> None:
        if record.at is not None:
            self.extend_to(record.at)
        match record:
            case Pinned():
                if self._is_new(record):
                    self._pin_ahead(record) if record.ahead else self._pin(record)
            case Connected(_, client, host):
                self._hosts.note(client, host)
                self.peak_clients = max(self.peak_clients, len(self._hosts))
            case Disconnected(at, client):
                self._disconnected(client, at)
            case Executed():
                self._executed(record)
            case Sent(_, session, role, sql):
                self.settings.add(session, role, sql, sets=True)

    def extend_to(self, at: datetime) -> None:
        """Extend the time of the records to at; lasting pins last until its end."""
        self.first = _earlier(self.first, at)
        self.last = _later(self.last, at)

    def add_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self.add(record)

    def rows(self) -> list[Row]:
        """Return all rows: longest pinned first, then by pins and by calls."""
        self._end_sessions()
        return sorted(
            self._rows.values(),
            key=lambda row: (row.seconds, row.count, row.calls, row.ahead),
            reverse=True,
        )

    def _end_sessions(self) -> None:
        """End all sessions with the log, and give the rows their times and peaks."""
        if self.last is not None:
            for kind, count in self._sessions.end_all(self.last).items():
                if kind in self._rows:
                    self._rows[kind].lasting += count
        for kind, row in self._rows.items():
            row.peak_without = self.peak
            if group := self._sessions.groups.get(kind):
                row.seconds, row.peak_without = group.seconds, group.peak_without

    @property
    def peak(self) -> int:
        """The largest number of sessions that were pinned at a time."""
        return self._sessions.peak

    def peaks_without(self) -> dict[str, int]:
        """Return by rule the peak without all pins by that rule, the least first."""
        groups = self._sessions.groups.items()
        peaks = {kind[0]: one.peak_without for kind, one in groups if len(kind) == 1}
        return dict(sorted(peaks.items(), key=itemgetter(1)))

    def seconds_without(self) -> dict[str, float]:
        """Return by rule the pinned seconds without all pins by that rule."""
        groups = self._sessions.groups.items()
        seconds = {kind[0]: one.seconds for kind, one in groups if len(kind) == 1}
        return {
            rule: sum(time for other, time in seconds.items() if other != rule)
            for rule in seconds
        }

    def suspects(self) -> list[Suspect]:
        """Return statements that may be too long, most frequent first."""
        return sorted(self._suspects, key=lambda one: one.calls, reverse=True)

    # RDS Proxy's lines.

    def _is_new(self, pin: Pinned) -> bool:
        """Return False if an earlier file had the same line."""
        if pin.at is not None and pin.client:
            key: object = pin.ahead, pin.at, pin.client, pin.digest
        elif pin.id:
            key = pin.id
        elif pin.at is not None:
            key = pin.ahead, pin.at, pin.digest, pin.reason
        else:
            return True
        hashed = hash(key)
        if hashed in self._seen:
            self.repeated += 1
            return False
        self._seen.add(hashed)
        return True

    def _pin(self, pin: Pinned) -> None:
        digest = pin.digest
        if not digest and "prepared statement" in pin.reason:
            digest = self._prepared.get(pin.client, "")
        cut_off = pin.cut_off or not pin.digest  # a warning's row says whether it is
        row = self._row(cause_of(pin.reason, digest), digest, cut_off)
        row.count += 1
        row.seen(pin.at)
        if pin.at is not None:
            self.timeline.add(row.cause.rule, pin.at)
        host = self._hosts.get(pin.client)
        if host and (host in row.hosts or len(row.hosts) < MAX_HOSTS):
            row.hosts[host] += 1
        if pin.client:
            row.clients += 1
            if pin.at is not None:
                rule = row.cause.rule
                kinds = (rule,), (rule, row.digest)
                self._sessions.pinned(pin.client, pin.at, kinds)

    def _pin_ahead(self, pin: Pinned) -> None:
        self._prepared.note(pin.client, pin.digest)
        cause = cause_of(pin.reason, pin.digest)
        row = self._row(cause, pin.digest, pin.cut_off)
        row.ahead += 1
        row.seen(pin.at)

    def _disconnected(self, client: str, at: datetime | None) -> None:
        self._hosts.pop(client, None)
        self._prepared.pop(client, None)
        if at is not None:
            self._sessions.ended(client, at)

    def _row(self, cause: Cause, digest: str, cut_off: bool = False) -> Row:
        text = _folded(digest)
        key = cause.rule, text
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(cause, text, cut_off)
        row.cut_off = row.cut_off and cut_off
        return row

    # Statements of the database.

    def _executed(self, statement: Executed) -> None:
        sql = statement.sql.encode("utf-8", "replace")
        if len(sql) > NEAR_LIMIT * MAX_STATEMENT:
            self._suspect(statement, len(sql))
        verdict = self._cache.look(sql) if len(sql) <= MAX_STATEMENT else None
        if statement.session:
            self.settings.add(
                statement.session,
                statement.role,
                statement.sql,
                sets=verdict is not None and bool(verdict.effects),
                detail=statement.detail,
            )
        if verdict is None:
            return
        found = judged(statement.sql)
        cause = first_cause(found)
        if cause is None:
            return
        row = self._row(cause, found.digest)
        row.calls += statement.calls
        row.seen(statement.at)
        if statement.application and len(row.applications) < MAX_HOSTS:
            row.applications.add(statement.application)

    def _suspect(self, statement: Executed, size: int) -> None:
        is_certain = size > MAX_STATEMENT and not statement.normalised
        if is_certain:
            row = self._row(oversize_cause(), "")
            row.calls += statement.calls
            row.seen(statement.at)
        if not (is_certain or statement.normalised):
            return
        text = fold(statement.sql[:MAX_STATEMENT])
        self._suspects.append(Suspect(text, size, statement.calls, is_certain))
        if len(self._suspects) > 2 * MAX_SUSPECTS:
            self._suspects = self.suspects()[:MAX_SUSPECTS]


@lru_cache(MAX_TEXTS)
def _folded(digest: str) -> str:
    return alike(fold(digest))


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at < known else known


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at > known else known
