"""Occurrences, counted: an observer for as long as the proxy runs.

Owns the counts that events alone tell, and how many series a count by names may have.
Does not know quantities, nor how a count is told.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from pinwatch import events
from pinwatch.pins.rules import CODES, WARNED

MAX_NAMES: Final = 100  # pairs of database and user that are told apart
MAX_NAME: Final = 63  # characters; PostgreSQL's own names are not longer
OTHER: Final = "other"  # both names of a pin by any further pair

TLS_FAILED: Final = ("TLS", "SSL")
"""In the text of what a client broke on its way in, where that was the encryption."""


@dataclass(slots=True)
class Clients:
    """Client connections of one endpoint."""

    received: int = 0
    closed: int = 0
    set_up: int = 0
    failed: int = 0
    """By authentication or TLS."""


@dataclass(slots=True)
class Connections:
    """Database connections to one target."""

    requested: int = 0
    requested_with_tls: int = 0
    set_up: int = 0
    failed: int = 0


class Tally:
    """Counts of one proxy; now gives seconds on a monotonic clock."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.clients: defaultdict[str, Clients] = defaultdict(Clients)
        self.connections: defaultdict[str, Connections] = defaultdict(Connections)
        self.failovers = 0
        self.pins: Counter[tuple[str, str, str]] = Counter()  # rule, database, user
        self.warnings: Counter[str] = Counter({w.code: 0 for w in WARNED})
        self._endpoints: dict[int, Clients] = {}  # of clients that are here
        self._arriving: set[int] = set()  # clients that are not logged in yet
        self._names: set[tuple[str, str]] = set()
        self._seconds = dict.fromkeys(CODES, 0.0)  # of pins that are over
        self._pinned: dict[int, tuple[str, float]] = {}  # clients: the rule, since when

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
            case _:
                self._of_the_target(event)

    def _of_the_target(self, event: events.Event) -> None:
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
        """By rule, of all pins; those that are not over, so far."""
        seconds, now = dict(self._seconds), self.now()
        for rule, since in self._pinned.values():
            seconds[rule] += now - since
        return seconds

    def _refused(self, event: events.ClientRefused) -> None:
        if event.client not in self._arriving:
            return
        unproven = event.sqlstate.startswith("28")
        violation = event.sqlstate == "08P01"
        if unproven or (violation and any(word in event.text for word in TLS_FAILED)):
            self._endpoints[event.client].failed += 1

    def _pin(self, event: events.SessionPinned) -> None:
        names = event.database[:MAX_NAME], event.user[:MAX_NAME]
        if names not in self._names and len(self._names) == MAX_NAMES:
            names = OTHER, OTHER
        else:
            self._names.add(names)
        self.pins[event.rule, *names] += 1
        self._pinned[event.client] = event.rule, self.now()

    def _unpin(self, client: int) -> None:
        rule, since = self._pinned.pop(client)
        self._seconds[rule] += self.now() - since
