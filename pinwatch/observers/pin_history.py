"""The history of pins since the proxy started.

Owns which pins are kept and how long each lasts. Knows neither sessions nor JSON.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import attrgetter, itemgetter

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.observers.digests import MAX_DIGESTS, Digest, Digests
from pinwatch.observers.latest import MAX_BYTES, MAX_ITEMS, Latest


@dataclass(slots=True, eq=False)
class Pin:
    """A pin; until is None while it lasts, since is in seconds of the clock."""

    id: int
    event: events.SessionPinned
    digest_id: str
    digest: Digest | None
    """None when it has ended: a digest that is dropped must not be kept by its pins."""
    since: float
    until: datetime | None = None
    seconds: float = 0.0

    def seconds_at(self, now: float) -> float:
        """Return the seconds that it lasted, or has lasted so far."""
        return self.seconds if self.until is not None else now - self.since


Listen = Callable[[Pin], None]
"""A listener; it is called when a pin begins and when it ends."""


class History:
    """The pins of one proxy, with durations in seconds of its clock.

    ``max_pins`` and ``max_bytes`` limit the pins that ended; all that last are kept.
    """

    def __init__(
        self,
        clock: Clock,
        max_pins: int = MAX_ITEMS,
        max_digests: int = MAX_DIGESTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.clock = clock
        self.digests = Digests(max_digests)
        self.listeners: list[Listen] = []
        self._count = 0
        self._over = Latest(_texts, max_pins, max_bytes)
        self._lasting: dict[int, list[Pin]] = {}  # by client

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SessionPinned():
                self._pin(event)
            case events.SessionUnpinned(at, client):
                for pin in self._lasting.pop(client, ()):
                    self._unpin(pin, at)

    def pins(self, lasting: bool = False) -> list[Pin]:
        """Return the pins, newest first; with ``lasting`` only those not ended."""
        kept = chain.from_iterable(self._lasting.values())
        if not lasting:
            kept = chain(kept, self._over)
        return sorted(kept, key=attrgetter("id"), reverse=True)

    def digests_of(self, pins: Iterable[Pin]) -> Digests:
        """Return the digests of these pins alone."""
        found = Digests(self.digests.max_digests)
        moments: list[tuple[float, int, bool, Pin]] = []
        for pin in pins:
            moments.append((pin.since, pin.id, False, pin))
            if pin.until is not None:
                moments.append((pin.since + pin.seconds, pin.id, True, pin))
        digests: dict[int, Digest] = {}
        for at, number, ended, pin in sorted(moments, key=itemgetter(0, 1, 2)):
            if ended:
                digests[number].released(pin.event.connection, at)
            else:
                digest = found.count(pin.digest_id, pin.event, at)
                digests[number] = digest
        return found

    def _pin(self, event: events.SessionPinned) -> None:
        self._count += 1
        now = self.clock.now
        digest = self.digests.pinned(event, now)
        pin = Pin(self._count, event, digest.id, digest, now)
        self._lasting.setdefault(event.client, []).append(pin)
        self._notify(pin)

    def _unpin(self, pin: Pin, at: datetime) -> None:
        now = self.clock.now
        pin.until, pin.seconds = at, now - pin.since
        if pin.digest is not None:
            pin.digest.released(pin.event.connection, now)
            pin.digest = None
        self._over.append(pin)
        self._notify(pin)

    def _notify(self, pin: Pin) -> None:
        for listen in self.listeners:
            listen(pin)


def _texts(pin: Pin) -> Iterator[str]:
    event = pin.event
    yield from (event.digest, event.sql, event.statement, event.reason)
    yield from event.tags.values()
