"""Amazon CloudWatch's metrics of RDS Proxy, under their names in snake case.

Owns their dimensions: metrics of clients have the endpoint, metrics of database
connections the target and its role. The list is that of
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
    """Return client_connections_no_tls for ClientConnectionsNoTLS."""
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
    """Return 100 for each role in which a target serves, 0 for the others."""
    serving: dict[tuple[str, ...], float] = {}
    for one in reading.targets:
        role = reading.proxy, one.role
        serving[role] = max(serving.get(role, 0), 100 * one.serves)
    return serving


def database_latency(reading: Reading) -> Series:
    """Return the latency of each pair of endpoint and target that had traffic."""
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
        "100 while a target in this role is available, 0 after an attempt to connect "
        "showed that none is.",
        "percent",
        availability,
    ),
    of_endpoints(
        "ClientConnections",
        "gauge",
        "Open client connections, including those that are still logging in.",
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
        "Open client connections without TLS.",
        "connections",
        lambda e: e.clients - e.clients_with_tls,
    ),
    of_endpoints(
        "ClientConnectionsReceived",
        "counter",
        "Client connections that were accepted, including those that carry only a "
        "cancel request.",
        "connections",
        lambda e: e.tally.received,
    ),
    of_endpoints(
        "ClientConnectionsSetupFailedAuth",
        "counter",
        "Client connections that failed in authentication (SQLSTATE class 28) or in "
        "the TLS handshake.",
        "connections",
        lambda e: e.tally.failed,
    ),
    of_endpoints(
        "ClientConnectionsSetupSucceeded",
        "counter",
        "Client connections that logged in.",
        "connections",
        lambda e: e.tally.set_up,
    ),
    of_endpoints(
        "ClientConnectionsTLS",
        "gauge",
        "Open client connections with TLS.",
        "connections",
        lambda e: e.clients_with_tls,
    ),
    of_targets(
        "DatabaseConnectionRequests",
        "counter",
        "Attempts of the pool to open a database connection.",
        "connections",
        lambda t: t.tally.requested,
    ),
    of_targets(
        "DatabaseConnectionRequestsWithTLS",
        "counter",
        "Attempts of the pool to open a database connection that used TLS.",
        "connections",
        lambda t: t.tally.requested_with_tls,
    ),
    of_targets(
        "DatabaseConnections",
        "gauge",
        "Database connections in the pool, idle or borrowed, without those that are "
        "opening or closing.",
        "connections",
        lambda t: t.connections,
    ),
    of_endpoints(
        "DatabaseConnectionsBorrowLatency",
        "histogram",
        "Time that a client waited for its database connection; 0 if one was idle.",
        "seconds",
        lambda e: e.borrow_latency,
    ),
    of_targets(
        "DatabaseConnectionsCurrentlyBorrowed",
        "gauge",
        "Database connections that a client has borrowed.",
        "connections",
        lambda t: t.pool.in_use,
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
        "Cap on database connections. A cap given as a percentage excludes "
        "connections that the target reserves.",
        "connections",
        lambda t: t.pool.max_connections,
    ),
    metric(
        "QueryDatabaseResponseLatency",
        "histogram",
        ALL,
        "Time from sending requests to the database until all of them are answered, "
        "extended protocol included.",
        "seconds",
        database_latency,
    ),
    of_endpoints(
        "QueryRequests",
        "counter",
        "Query messages, one per text even if it has several statements. As on RDS "
        "Proxy, the extended protocol does not count.",
        "requests",
        lambda e: e.queries,
    ),
    of_endpoints(
        "QueryRequestsNoTLS",
        "counter",
        "Query messages of clients without TLS.",
        "requests",
        lambda e: int(e.counters.plain.queries),
    ),
    of_endpoints(
        "QueryRequestsTLS",
        "counter",
        "Query messages of clients with TLS.",
        "requests",
        lambda e: int(e.counters.encrypted.queries),
    ),
    of_endpoints(
        "QueryResponseLatency",
        "histogram",
        "Time from receiving requests until all of them are answered, including the "
        "wait for a database connection.",
        "seconds",
        lambda e: e.counters.query_latency.buckets(),
    ),
)
