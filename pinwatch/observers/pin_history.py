"""Pins, remembered: an observer for as long as the proxy runs.

Owns which pins are kept, and how long each of them lasts. Does not know sessions, nor
how a pin is told.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Final

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.observers.digests import MAX_DIGESTS, Digest, Digests

MAX_PINS: Final = 10_000  # that are over; of the others a client has few


@dataclass(slots=True, eq=False)
class Pin:
    """Until is None as long as it lasts; since is in seconds of the clock."""

    id: int
    event: events.SessionPinned
    digest: Digest
    since: float
    until: datetime | None = None
    seconds: float = 0.0

    def seconds_at(self, now: float) -> float:
        """How long it was pinned, or is so far."""
        return self.seconds if self.until is not None else now - self.since


Listen = Callable[[Pin], None]
"""Told of a pin when it begins, and when it is over."""


class History:
    """The pins of one proxy, with durations in seconds of its clock."""

    def __init__(
        self,
        clock: Clock,
        max_pins: int = MAX_PINS,
        max_digests: int = MAX_DIGESTS,
    ) -> None:
        self.clock = clock
        self.digests = Digests(max_digests)
        self.listeners: list[Listen] = []
        self._count = 0
        self._over: deque[Pin] = deque(maxlen=max_pins)
        self._lasting: dict[int, list[Pin]] = {}  # by client

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SessionPinned():
                self._pin(event)
            case events.SessionUnpinned(at, client):
                for pin in self._lasting.pop(client, ()):
                    self._unpin(pin, at)

    def pins(self, lasting: bool = False) -> list[Pin]:
        """The newest first; of lasting, those alone that are not over."""
        kept = chain.from_iterable(self._lasting.values())
        if not lasting:
            kept = chain(kept, self._over)
        return sorted(kept, key=attrgetter("id"), reverse=True)

    def _pin(self, event: events.SessionPinned) -> None:
        self._count += 1
        now = self.clock.now
        digest = self.digests.pinned(event, now)
        pin = Pin(self._count, event, digest, now)
        self._lasting.setdefault(event.client, []).append(pin)
        self._tell(pin)

    def _unpin(self, pin: Pin, at: datetime) -> None:
        now = self.clock.now
        pin.until, pin.seconds = at, now - pin.since
        pin.digest.released(pin.event.connection, now)
        self._over.append(pin)
        self._tell(pin)

    def _tell(self, pin: Pin) -> None:
        for listen in self.listeners:
            listen(pin)
