"""The proxy at one moment: what metrics are told from.

Owns the one walk over sessions and database connections, which a scrape pays for and no
statement. Does not know names of metrics.
"""

from collections.abc import Collection
from itertools import chain
from typing import Protocol

from pinwatch.counters import Counters, Histogram
from pinwatch.database import DatabaseConnection
from pinwatch.metrics.tally import Tally
from pinwatch.pins.cache import OVERHEAD, VerdictCache
from pinwatch.pool import Pool
from pinwatch.session import ClientSession
from pinwatch.wire.messages import IDLE


class Measured(Protocol):
    """The proxy."""

    @property
    def sessions(self) -> Collection[ClientSession]: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def verdicts(self) -> VerdictCache: ...


class Reading:
    """Taken in the loop of the proxy, between two statements."""

    def __init__(self, proxy: Measured, tally: Tally) -> None:
        self.tally = tally
        self.counters = proxy.counters
        self.pool = proxy.pool
        self.verdicts = proxy.verdicts
        parses = self.counters.plain.parses + self.counters.encrypted.parses
        self.verdict_hits = self.queries + parses - self.verdicts.misses
        self.clients = len(proxy.sessions)
        self.clients_with_tls = sum(s.encryption is not None for s in proxy.sessions)
        self.connections = 0
        self.connections_with_tls = 0
        self.in_transaction = 0
        self.pinned = 0
        for one in chain(self.pool.borrowed, *self.pool.idle.values()):
            assert isinstance(one, DatabaseConnection)
            session = one.session
            self.connections += 1
            self.connections_with_tls += one.encryption is not None
            self.in_transaction += one.responses.status != IDLE
            if isinstance(session, ClientSession):
                self.pinned += session.pinning.pinned

    @property
    def queries(self) -> int:
        return self.counters.plain.queries + self.counters.encrypted.queries

    @property
    def borrow_latency(self) -> Histogram:
        """Of all that were lent a connection: those at once took no time."""
        waited = self.counters.borrow_latency
        latency = Histogram(waited.bounds)
        latency.counts = list(waited.counts)
        latency.counts[0] += self.counters.borrows_at_once
        latency.sum = waited.sum
        return latency

    @property
    def multiplexing_ratio(self) -> float:
        return self.clients / self.connections if self.connections else float("nan")

    @property
    def verdict_texts(self) -> int:
        return len(self.verdicts.known) + len(self.verdicts.older)

    @property
    def verdict_bytes(self) -> int:
        texts = sum(map(len, chain(self.verdicts.known, self.verdicts.older)))
        return texts + OVERHEAD * self.verdict_texts
