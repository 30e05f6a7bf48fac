"""Pins by what they have in common: the digest, and the rule.

Owns the sums, and how many digests are kept. Does not know single pins.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pinwatch import events
from pinwatch.pins.alike import alike

MAX_DIGESTS: Final = 1_000


@dataclass(slots=True, eq=False)
class Digest:
    """Of pins whose text is the same, but for constants and what is generated.

    latest is the pin that came last; seconds are of the pins that are over.
    """

    text: str
    latest: events.SessionPinned
    first_seen: datetime
    count: int = 0
    later: int = 0  # of them, those of sessions that were pinned already
    seconds: float = 0.0
    peak_connections: int = 0
    held: dict[int, float] = field(default_factory=dict)
    """Database connections, and since when, in seconds of the proxy's clock."""

    def pinned(self, event: events.SessionPinned, now: float) -> None:
        self.latest = event
        self.count += 1
        self.later += not event.first
        self.held.setdefault(event.connection, now)
        self.peak_connections = max(self.peak_connections, len(self.held))

    def released(self, connection: int, now: float) -> None:
        self.seconds += now - self.held.pop(connection, now)

    def seconds_at(self, now: float) -> float:
        """Of all its pins; of those that are not over, so far."""
        return self.seconds + sum(now - since for since in self.held.values())


class Digests:
    """Keeps the most that it is told to, of twice as many that it may have met."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: dict[tuple[str, str], Digest] = {}

    def pinned(self, event: events.SessionPinned, now: float) -> Digest:
        key = alike(event.digest), event.rule
        digest = self._known.get(key)
        if digest is None:
            if len(self._known) >= 2 * self.most:
                self._forget(now)
            digest = self._known[key] = Digest(key[0], event, event.at)
        digest.pinned(event, now)
        return digest

    def ranked(self, now: float) -> list[Digest]:
        """Those that pinned for longest first."""
        return sorted(
            self._known.values(),
            key=lambda digest: (digest.seconds_at(now), digest.count),
            reverse=True,
        )

    def _forget(self, now: float) -> None:
        """Keep those that pinned for longest."""
        kept = self.ranked(now)[: self.most]
        self._known = {(d.text, d.latest.rule): d for d in kept}
