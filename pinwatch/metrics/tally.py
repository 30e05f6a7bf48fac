"""Counts of events: an observer for as long as the proxy runs.

Owns the counters that are derived from events, and the limit of series that are named
by databases and users.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.hidden.wording import WORDS
from pinwatch.pins.rules import CODES, WARNED

MAX_NAMES: Final = 100  # pairs of database and user with a series of their own
MAX_NAME: Final = 63  # characters; PostgreSQL truncates names to 63 bytes
OTHER: Final = "other"  # both names in the series of all further pairs

TLS_FAILED: Final = ("TLS", "SSL")
"""Words in the text of a protocol error during login that is about TLS."""


@dataclass(slots=True)
class Clients:
    """Client connections of one endpoint."""

    received: int = 0
    closed: int = 0
    set_up: int = 0
    failed: int = 0
    """Logins that failed by authentication or TLS."""


@dataclass(slots=True)
class Connections:
    """Database connections to one target."""

    requested: int = 0
    requested_with_tls: int = 0
    set_up: int = 0
    failed: int = 0


class Tally:
    """Counts of one proxy, with durations in seconds of its clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.clients: defaultdict[str, Clients] = defaultdict(Clients)
        self.connections: defaultdict[str, Connections] = defaultdict(Connections)
        self.failovers = 0
        self.pins: Counter[tuple[str, str, str]] = Counter()  # rule, database, user
        self.warnings: Counter[str] = Counter({w.code: 0 for w in WARNED})
        self.leaks: Counter[str] = Counter(dict.fromkeys(WORDS, 0))  # by kind of state
        self._endpoints: dict[int, Clients] = {}  # by client, while connected
        self._arriving: set[int] = set()  # clients that have not logged in
        self._names: set[tuple[str, str]] = set()
        self._seconds = dict.fromkeys(CODES, 0.0)  # by rule, of pins that ended
        self._pinned: dict[int, tuple[str, float]] = {}  # by client: rule, start

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.ClientConnected(client, endpoint=endpoint):
                self._endpoints[client] = self.clients[endpoint]
                self._endpoints[client].received += 1
                self._arriving.add(client)
            case events.ClientWelcomed(client):
                self._endpoints[client].set_up += 1
                self._arriving.discard(client)
            case events.ClientRefused():
                self._refused(event)
            case events.ClientClosed(client):
                self._endpoints.pop(client).closed += 1
                self._arriving.discard(client)
            case events.SessionPinned(first=True):
                self._pin(event)
            case events.SessionUnpinned(client=client):
                self._unpin(client)
            case events.PinWarned(rule=rule):
                self.warnings[rule] += 1
            case events.StateLeaked(kind=kind):
                self.leaks[kind] += 1
            case _:
                self._count_database_event(event)

    def _count_database_event(self, event: events.Event) -> None:
        match event:
            case events.DatabaseConnecting(target=target):
                self.connections[target].requested += 1
            case events.DatabaseConnected(target=target, encrypted=encrypted):
                self.connections[target].set_up += 1
                self.connections[target].requested_with_tls += encrypted
            case events.DatabaseRefused(target=target, encrypted=encrypted):
                self.connections[target].failed += 1
                self.connections[target].requested_with_tls += encrypted
            case events.FailedOver():
                self.failovers += 1

    def pinned_seconds(self) -> dict[str, float]:
        """Return the pinned seconds by rule, including pins that have not ended."""
        seconds, now = dict(self._seconds), self.clock.now
        for rule, since in self._pinned.values():
            seconds[rule] += now - since
        return seconds

    def _refused(self, event: events.ClientRefused) -> None:
        if event.client not in self._arriving:
            return
        unauthenticated = event.sqlstate.startswith("28")
        violation = event.sqlstate == "08P01"
        if unauthenticated or (
            violation and any(word in event.text for word in TLS_FAILED)
        ):
            self._endpoints[event.client].failed += 1

    def _pin(self, event: events.SessionPinned) -> None:
        names = event.database[:MAX_NAME], event.user[:MAX_NAME]
        if names not in self._names and len(self._names) == MAX_NAMES:
            names = OTHER, OTHER
        else:
            self._names.add(names)
        self.pins[event.rule, *names] += 1
        self._pinned[event.client] = event.rule, self.clock.now

    def _unpin(self, client: int) -> None:
        rule, since = self._pinned.pop(client)
        self._seconds[rule] += self.clock.now - since
