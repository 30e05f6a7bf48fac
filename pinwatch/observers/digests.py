"""Sums over pins that share a digest and a rule.

Owns the sums and the limit on the number of digests. Keeps no single pins.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Final, Literal

from pinwatch import events
from pinwatch.pins.alike import alike

MAX_DIGESTS: Final = 1_000
ID_BYTES: Final = 8

Order = Literal["pinned", "latest"]
"""Longest pinned time first, or the digest of the latest pin first."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Digest:
    """The sums over pins whose texts differ only in constants and generated names.

    ``latest`` is the newest pin; ``seconds`` adds up the pins that ended. ``id`` is the
    same in each run of the proxy.
    """

    id: str
    latest: events.SessionPinned
    first_seen: datetime
    count: int = 0
    later: int = 0  # pins of sessions that were pinned already
    seconds: float = 0.0
    peak_connections: int = 0
    held: dict[int, float] = field(default_factory=dict)
    """Start times in the clock's seconds, by pinned database connection."""
    _text: str = ""

    @property
    def text(self) -> str:
        """The text that the pins share; it is found at the first use."""
        self._text = self._text or alike(self.latest.digest)
        return self._text

    def pinned(self, event: events.SessionPinned, now: float) -> None:
        self.latest = event
        self.count += 1
        self.later += not event.first
        self.held.setdefault(event.connection, now)
        self.peak_connections = max(self.peak_connections, len(self.held))

    def released(self, connection: int, now: float) -> None:
        self.seconds += now - self.held.pop(connection, now)

    def seconds_at(self, now: float) -> float:
        """Return the pinned time in seconds, including pins that still last."""
        return self.seconds + sum(now - since for since in self.held.values())


class Digests:
    """All digests; at twice ``max_digests`` those pinned shortest are dropped."""

    def __init__(self, max_digests: int) -> None:
        self.max_digests = max_digests
        self._known: dict[str, Digest] = {}  # by id

    def pinned(self, event: events.SessionPinned, now: float) -> Digest:
        return self.count(_id(alike(event.digest), event.rule), event, now)

    def count(self, id: str, event: events.SessionPinned, now: float) -> Digest:
        """Count a pin of the digest with this id, without reading its text."""
        digest = self._known.get(id)
        if digest is None:
            if len(self._known) >= 2 * self.max_digests:
                self._forget(now)
            digest = self._known[id] = Digest(id, event, event.at)
        digest.pinned(event, now)
        return digest

    def ranked(self, now: float, order: Order = "pinned") -> list[Digest]:
        """Return the digests in this order."""
        if order == "latest":
            found = self._known.values()
            return sorted(found, key=attrgetter("latest.at"), reverse=True)
        return sorted(
            self._known.values(),
            key=lambda digest: (digest.seconds_at(now), digest.count),
            reverse=True,
        )

    def _forget(self, now: float) -> None:
        """Keep the ``max_digests`` with the longest pinned time."""
        kept = self.ranked(now)[: self.max_digests]
        self._known = {digest.id: digest for digest in kept}


def _id(text: str, rule: str) -> str:
    return blake2b(f"{rule}\0{text}".encode(), digest_size=ID_BYTES).hexdigest()
