"""A snapshot of the proxy, from which the metrics are read.

Owns the only loop over sessions and database connections: a scrape pays for it, not
each statement.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Protocol

from pinwatch.config.model import Settings
from pinwatch.counters import Buckets, EndpointCounters
from pinwatch.metrics.tally import Clients, Tally
from pinwatch.pins.cache import VerdictCache
from pinwatch.relay.client_session import ClientSession
from pinwatch.targets.group import Member


class Group(Protocol):
    """The targets."""

    @property
    def members(self) -> Sequence[Member]: ...


class Measured(Protocol):
    """The proxy."""

    settings: Settings
    verdicts: VerdictCache

    @property
    def sessions(self) -> Collection[ClientSession]: ...

    @property
    def counters(self) -> Mapping[str, EndpointCounters]:
        """Counters by endpoint, including endpoints that were removed."""

    @property
    def group(self) -> Group: ...


class EndpointReading:
    """A snapshot of one endpoint and its clients."""

    def __init__(
        self,
        name: str,
        counters: EndpointCounters,
        tally: Clients,
        clients: int,
        clients_with_tls: int,
    ) -> None:
        self.name = name
        self.counters = counters
        self.tally = tally
        self.clients = clients
        self.clients_with_tls = clients_with_tls

    @property
    def queries(self) -> int:
        return self.counters.plain.queries + self.counters.encrypted.queries

    @property
    def parses(self) -> int:
        return self.counters.plain.parses + self.counters.encrypted.parses

    @property
    def statements(self) -> int:
        return self.counters.plain.statements + self.counters.encrypted.statements

    @property
    def received(self) -> int:
        return self.counters.plain.received + self.counters.encrypted.received

    @property
    def sent(self) -> int:
        return self.counters.plain.sent + self.counters.encrypted.sent

    @property
    def borrow_latency(self) -> Buckets:
        """The wait of each borrow; a borrow without a wait counts as 0 seconds."""
        latency = self.counters.borrow_latency.buckets()
        latency.counts[0] += self.counters.borrows_at_once
        return latency


class TargetReading:
    """A snapshot of one target and its pool."""

    def __init__(self, member: Member, tally: Tally) -> None:
        self.name = member.name
        self.role = member.role
        self.serves = not member.monitor.down
        self.pool = member.pool
        self.counters = member.connections.counters
        self.tally = tally.connections[member.name]
        self.connections = 0
        self.connections_with_tls = 0
        self.in_transaction = 0
        self.pinned = 0
        pool = member.pool
        for one in chain(pool.used_connections(), pool.idle_connections()):
            self.connections += 1
            self.connections_with_tls += one.secure is not None
            self.in_transaction += one.in_transaction
            self.pinned += one.session is not None and one.session.pinned


class Reading:
    """A snapshot of the proxy; create it in the proxy's event loop."""

    def __init__(self, proxy: Measured, tally: Tally) -> None:
        self.proxy = proxy.settings.db_proxy_name
        self.tally = tally
        self.verdicts = proxy.verdicts
        clients = Counter(session.endpoint.name for session in proxy.sessions)
        with_tls = Counter(
            session.endpoint.name for session in proxy.sessions if session.encrypted
        )
        self.endpoints = [
            EndpointReading(
                name, counters, tally.clients[name], clients[name], with_tls[name]
            )
            for name, counters in proxy.counters.items()
        ]
        self.targets = [TargetReading(member, tally) for member in proxy.group.members]
        judged = sum(one.queries + one.parses for one in self.endpoints)
        self.verdict_hits = judged - self.verdicts.misses

    @property
    def multiplexing_ratio(self) -> float:
        clients = sum(one.clients for one in self.endpoints)
        connections = sum(one.connections for one in self.targets)
        return clients / connections if connections else float("nan")
