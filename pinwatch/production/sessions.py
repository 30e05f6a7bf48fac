"""The sessions that are pinned at a time, and what remains without some of them.

Records come in the order of their times. A pin ends with its client, and after 24 hours
at the latest: RDS Proxy closes older client connections. Pins without a time do not
count.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

MAX_PINNED: Final = timedelta(hours=24)

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Group:
    """The pinned sessions of one kind.

    seconds sums up their time. peak_without is the largest number of sessions of all
    other kinds that were pinned at a time.
    """

    pinned: int = 0
    seconds: float = 0.0
    peak_without: int = 0


class PinnedSessions(Generic[K]):
    """Counts pinned sessions by kind; each session may have several kinds."""

    def __init__(self) -> None:
        self.groups: dict[K, Group] = {}
        self.peak = 0
        self._sessions: OrderedDict[str, tuple[datetime, tuple[K, ...]]] = OrderedDict()
        self._lowest = 0  # no group's peak_without is lower

    def __len__(self) -> int:
        return len(self._sessions)

    def pinned(self, client: str, at: datetime, kinds: tuple[K, ...]) -> None:
        """Record that a client was pinned; a client is pinned once."""
        self._end_old(at)
        if client in self._sessions:
            return
        self._sessions[client] = at, kinds
        for kind in kinds:
            self._group(kind).pinned += 1
        self._note_peaks()

    def ended(self, client: str, at: datetime) -> None:
        """Record that a client disconnected; one that is not pinned is ignored."""
        since, kinds = self._sessions.pop(client, (at, ()))
        for kind in kinds:
            group = self.groups[kind]
            group.pinned -= 1
            group.seconds += max((at - since).total_seconds(), 0.0)

    def end_all(self, at: datetime) -> dict[K, int]:
        """Let all sessions end; return how many of each kind there were."""
        self._end_old(at)
        left = {kind: group.pinned for kind, group in self.groups.items()}
        for client in list(self._sessions):
            self.ended(client, at)
        return left

    def _group(self, kind: K) -> Group:
        """Return the group; without a new kind the numbers were those of all."""
        return self.groups.setdefault(kind, Group(peak_without=self.peak))

    def _end_old(self, now: datetime) -> None:
        while self._sessions:
            client, (since, _) = next(iter(self._sessions.items()))
            if now - since < MAX_PINNED:
                return
            self.ended(client, since + MAX_PINNED)

    def _note_peaks(self) -> None:
        """Note the numbers without each kind, unless none can be a new peak."""
        total = len(self._sessions)
        self.peak = max(self.peak, total)
        if total <= self._lowest:
            return
        for group in self.groups.values():
            group.peak_without = max(group.peak_without, total - group.pinned)
        self._lowest = min(group.peak_without for group in self.groups.values())
