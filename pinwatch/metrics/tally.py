"""Occurrences, counted: an observer for as long as the proxy runs.

Owns the counts that events alone tell, and how many series a count by names may have.
Does not know quantities, nor how a count is told.
"""

from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

from pinwatch import events
from pinwatch.pins.rules import CODES, WARNED

MAX_NAMES: Final = 100  # pairs of database and user that are told apart
MAX_NAME: Final = 63  # characters; PostgreSQL's own names are not longer
OTHER: Final = "other"  # both names of a pin by any further pair

TLS_FAILED: Final = ("TLS", "SSL")
"""In the text of what a client broke on its way in, where that was the encryption."""

DOWN: Final = ("08001", "08006", "57P01", "57P02", "57P03")
"""SQLSTATEs of a target that is not there, or does not serve; after any other refusal
it does."""


class Tally:
    """Counts of one proxy; now gives seconds on a monotonic clock."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.clients_received = 0
        self.clients_closed = 0
        self.clients_set_up = 0
        self.clients_failed = 0  # by authentication or TLS
        self.connections_requested = 0
        self.connections_requested_with_tls = 0
        self.connections_set_up = 0
        self.connections_failed = 0
        self.target_serves = True  # when it was last tried
        self.failovers = 0
        self.pins: Counter[tuple[str, str, str]] = Counter()  # rule, database, user
        self.warnings: Counter[str] = Counter({w.code: 0 for w in WARNED})
        self._arriving: set[int] = set()  # clients that are not logged in yet
        self._names: set[tuple[str, str]] = set()
        self._seconds = dict.fromkeys(CODES, 0.0)  # of pins that are over
        self._pinned: dict[int, tuple[str, float]] = {}  # clients: the rule, since when

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.ClientConnected(client):
                self.clients_received += 1
                self._arriving.add(client)
            case events.ClientWelcomed(client):
                self.clients_set_up += 1
                self._arriving.discard(client)
            case events.ClientRefused():
                self._refused(event)
            case events.ClientClosed(client):
                self.clients_closed += 1
                self._arriving.discard(client)
            case events.SessionPinned():
                self._pin(event)
            case events.SessionUnpinned(client=client):
                self._unpin(client)
            case events.PinWarned(rule=rule):
                self.warnings[rule] += 1
            case _:
                self._of_the_target(event)

    def _of_the_target(self, event: events.Event) -> None:
        match event:
            case events.DatabaseConnecting(encrypted=encrypted):
                self.connections_requested += 1
                self.connections_requested_with_tls += encrypted
            case events.FailedOver():
                self.failovers += 1
            case events.DatabaseConnected():
                self.connections_set_up += 1
                self.target_serves = True
            case events.DatabaseRefused(sqlstate=sqlstate):
                self.connections_failed += 1
                self.target_serves = sqlstate not in DOWN

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
            self.clients_failed += 1

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
