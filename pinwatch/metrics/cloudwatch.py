"""Amazon CloudWatch's metrics of RDS Proxy, by their own names in snake case.

Owns their dimensions: what is of clients has their endpoint, what is of database
connections has their target and its role. The list is that of
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.monitoring.html
"""

import re
from collections.abc import Callable
from typing import Final

from pinwatch.counters import Buckets
from pinwatch.metrics.family import Kind, Metric, Series
from pinwatch.metrics.reading import EndpointReading, Reading, TargetReading

ENDPOINT: Final = ("proxy", "endpoint")
TARGET: Final = ("proxy", "target", "target_role")
ROLE: Final = ("proxy", "target_role")
ALL: Final = ("proxy", "endpoint", "target", "target_role")

SUFFIXES: Final[dict[Kind, str]] = {
    "counter": "_total",
    "gauge": "",
    "histogram": "_seconds",
}


def snake(name: str) -> str:
    """client_connections_no_tls of ClientConnectionsNoTLS."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def metric(
    cloudwatch: str,
    kind: Kind,
    labels: tuple[str, ...],
    meaning: str,
    unit: str,
    read: Callable[[Reading], Series],
) -> Metric:
    name = f"pinwatch_{snake(cloudwatch)}{SUFFIXES[kind]}"
    return Metric(name, kind, labels, meaning, unit, read, cloudwatch)


def of_endpoints(
    cloudwatch: str,
    kind: Kind,
    meaning: str,
    unit: str,
    value: Callable[[EndpointReading], float | Buckets],
) -> Metric:
    def read(reading: Reading) -> Series:
        return {(reading.proxy, one.name): value(one) for one in reading.endpoints}

    return metric(cloudwatch, kind, ENDPOINT, meaning, unit, read)


def of_targets(
    cloudwatch: str,
    kind: Kind,
    meaning: str,
    unit: str,
    value: Callable[[TargetReading], float],
) -> Metric:
    def read(reading: Reading) -> Series:
        return {
            (reading.proxy, one.name, one.role): value(one) for one in reading.targets
        }

    return metric(cloudwatch, kind, TARGET, meaning, unit, read)


def availability(reading: Reading) -> Series:
    """Of a role: one target in it is enough."""
    serving: dict[tuple[str, ...], float] = {}
    for one in reading.targets:
        role = reading.proxy, one.role
        serving[role] = max(serving.get(role, 0), 100 * one.serves)
    return serving


def database_latency(reading: Reading) -> Series:
    """Of those endpoints and targets that had to do with each other."""
    return {
        (reading.proxy, endpoint.name, target.name, target.role): latency.buckets()
        for endpoint in reading.endpoints
        for target in reading.targets
        if (latency := endpoint.counters.database_latency.get(target.name)) is not None
    }


METRICS: Final = (
    metric(
        "AvailabilityPercentage",
        "gauge",
        ROLE,
        "100 while a target in this role serves, 0 from an attempt to connect that "
        "showed that none does to one that showed that one does.",
        "percent",
        availability,
    ),
    of_endpoints(
        "ClientConnections",
        "gauge",
        "Client connections, those that log in included.",
        "connections",
        lambda e: e.clients,
    ),
    of_endpoints(
        "ClientConnectionsClosed",
        "counter",
        "Client connections that ended.",
        "connections",
        lambda e: e.tally.closed,
    ),
    of_endpoints(
        "ClientConnectionsNoTLS",
        "gauge",
        "Client connections without TLS.",
        "connections",
        lambda e: e.clients - e.clients_with_tls,
    ),
    of_endpoints(
        "ClientConnectionsReceived",
        "counter",
        "Client connections that were accepted, those that only carry a cancel request "
        "included.",
        "connections",
        lambda e: e.tally.received,
    ),
    of_endpoints(
        "ClientConnectionsSetupFailedAuth",
        "counter",
        "Client connections that failed by authentication (SQLSTATE class 28) or TLS.",
        "connections",
        lambda e: e.tally.failed,
    ),
    of_endpoints(
        "ClientConnectionsSetupSucceeded",
        "counter",
        "Clients that logged in.",
        "connections",
        lambda e: e.tally.set_up,
    ),
    of_endpoints(
        "ClientConnectionsTLS",
        "gauge",
        "Client connections with TLS.",
        "connections",
        lambda e: e.clients_with_tls,
    ),
    of_targets(
        "DatabaseConnectionRequests",
        "counter",
        "Database connections that the pool began to open.",
        "connections",
        lambda t: t.tally.requested,
    ),
    of_targets(
        "DatabaseConnectionRequestsWithTLS",
        "counter",
        "Of them, those that used TLS.",
        "connections",
        lambda t: t.tally.requested_with_tls,
    ),
    of_targets(
        "DatabaseConnections",
        "gauge",
        "Database connections of the pool, idle or borrowed; none that is being opened "
        "or closed.",
        "connections",
        lambda t: t.connections,
    ),
    of_endpoints(
        "DatabaseConnectionsBorrowLatency",
        "histogram",
        "How long clients waited for the database connection that they got, which is 0 "
        "where one was idle.",
        "seconds",
        lambda e: e.borrow_latency,
    ),
    of_targets(
        "DatabaseConnectionsCurrentlyBorrowed",
        "gauge",
        "Database connections that are borrowed.",
        "connections",
        lambda t: t.pool.lent,
    ),
    of_targets(
        "DatabaseConnectionsCurrentlyInTransaction",
        "gauge",
        "Database connections in a transaction, by the last ReadyForQuery.",
        "connections",
        lambda t: t.in_transaction,
    ),
    of_targets(
        "DatabaseConnectionsCurrentlySessionPinned",
        "gauge",
        "Database connections that a pinned session keeps.",
        "connections",
        lambda t: t.pinned,
    ),
    of_targets(
        "DatabaseConnectionsSetupFailed",
        "counter",
        "Database connections that could not be opened.",
        "connections",
        lambda t: t.tally.failed,
    ),
    of_targets(
        "DatabaseConnectionsSetupSucceeded",
        "counter",
        "Database connections that were opened.",
        "connections",
        lambda t: t.tally.set_up,
    ),
    of_targets(
        "DatabaseConnectionsWithTLS",
        "gauge",
        "Database connections with TLS.",
        "connections",
        lambda t: t.connections_with_tls,
    ),
    of_targets(
        "MaxDatabaseConnectionsAllowed",
        "gauge",
        "The cap on database connections; as a percentage, less what the target "
        "reserves.",
        "connections",
        lambda t: t.pool.max_connections,
    ),
    metric(
        "QueryDatabaseResponseLatency",
        "histogram",
        ALL,
        "From when requests went to the database until all of them were answered, the "
        "extended protocol's included.",
        "seconds",
        database_latency,
    ),
    of_endpoints(
        "QueryRequests",
        "counter",
        "Query messages, one for several statements in one text; as on RDS Proxy, "
        "nothing of the extended protocol.",
        "stream",
        lambda e: e.queries,
    ),
    of_endpoints(
        "QueryRequestsNoTLS",
        "counter",
        "Of them, those of clients without TLS.",
        "stream",
        lambda e: e.counters.plain.queries,
    ),
    of_endpoints(
        "QueryRequestsTLS",
        "counter",
        "Of them, those of clients with TLS.",
        "stream",
        lambda e: e.counters.encrypted.queries,
    ),
    of_endpoints(
        "QueryResponseLatency",
        "histogram",
        "From when requests arrived until all of them were answered, the wait for a "
        "database connection included.",
        "seconds",
        lambda e: e.counters.query_latency.buckets(),
    ),
)
