"""The MaxConnectionsPercent that suffices for the sessions of a log.

A log says which sessions were pinned, and which clients were connected. It does not say
how many of the others had borrowed a connection at a time.
"""

from dataclasses import dataclass
from math import ceil
from typing import Self

from pinwatch.production.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Capacity:
    """Percentages of max_connections; a value above 100 cannot be configured.

    - pinned: what the largest number of sessions that were pinned at a time needs.
    - without: the same by rule, without all pins by that rule.
    - clients: what a connection for each connected client needs; None if the log does
      not have the clients.
    """

    max_connections: int
    pinned: int
    without: dict[str, int]
    clients: int | None

    @classmethod
    def of(cls, ranking: Ranking, max_connections: int) -> Self:
        def percent(connections: int) -> int:
            return max(1, ceil(100 * connections / max_connections))

        clients = max(ranking.peak_clients, ranking.peak)
        return cls(
            max_connections,
            percent(ranking.peak),
            {rule: percent(peak) for rule, peak in ranking.peaks_without().items()},
            percent(clients) if ranking.peak_clients else None,
        )
