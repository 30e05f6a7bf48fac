"""Counters that statements change: plain numbers, which the metrics read.

Rarer occurrences are events, and observers count them.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from librt.vecs import vec
from mypy_extensions import i64

LATENCIES: Final[Sequence[float]] = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    120.0,
)
"""Upper bounds in seconds: from a statement on the same host to a borrow timeout."""


class Buckets(NamedTuple):
    """The buckets of a histogram at one moment.

    For each bound, counts has the number of durations up to this bound and above the
    previous one. The last number counts the durations above all bounds. sum is in
    seconds.
    """

    bounds: Sequence[float]
    counts: list[int]
    sum: float


class Histogram:
    """A histogram of durations in seconds of the clock."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = LATENCIES) -> None:
        upper = [*bounds, inf]
        zeros = [0 for _ in upper]
        self._bounds = vec[float](upper)
        self._counts = vec[i64](zeros)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._sum += seconds
        bounds = self._bounds
        bucket: i64 = 0
        while seconds > bounds[bucket]:  # most durations are in the first buckets
            bucket += 1
        counts = self._counts
        counts[bucket] = counts[bucket] + 1

    def buckets(self) -> Buckets:
        bounds = tuple(self._bounds)[:-1]
        return Buckets(bounds, [int(count) for count in self._counts], self._sum)


class Traffic:
    """Counters of client traffic.

    An endpoint has one for its clients with TLS, and one for the others.
    """

    __slots__ = ("parses", "queries", "received", "sent", "statements")

    def __init__(self) -> None:
        self.queries: i64 = 0  # Query messages: RDS Proxy's QueryRequests
        self.parses: i64 = 0
        self.statements: i64 = 0  # Query and Execute
        self.received: i64 = 0  # bytes from clients
        self.sent: i64 = 0  # bytes to clients


class EndpointCounters:
    """Counters of the clients of one endpoint."""

    __slots__ = (
        "borrow_latency",
        "borrow_timeouts",
        "borrows_at_once",
        "borrows_refused",
        "borrows_waited",
        "database_latency",
        "encrypted",
        "plain",
        "query_latency",
    )

    def __init__(self) -> None:
        self.plain = Traffic()
        self.encrypted = Traffic()
        self.borrows_at_once = 0
        self.borrows_waited = 0
        self.borrow_timeouts = 0
        self.borrows_refused = 0
        self.borrow_latency = Histogram()
        self.query_latency = Histogram()  # from a request's arrival to its last reply
        # From sending a request to its last reply, by the name of the target.
        self.database_latency: dict[str, Histogram] = {}

    def of_database(self, target: str) -> Histogram:
        """Return the latencies of this target."""
        latencies = self.database_latency.get(target)
        if latencies is None:
            latencies = self.database_latency[target] = Histogram()
        return latencies


class TargetCounters:
    """Counters of the database connections to one target."""

    __slots__ = (
        "committed",
        "probes",
        "received",
        "reparsed",
        "rolled_back",
        "sent",
    )

    def __init__(self) -> None:
        self.received = 0  # bytes from the database
        self.sent = 0  # bytes to the database
        self.committed = 0
        self.rolled_back = 0
        self.probes = 0  # for hidden state, after a client
        self.reparsed = 0  # statements prepared again on another connection
