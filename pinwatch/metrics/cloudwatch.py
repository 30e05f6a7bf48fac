"""Amazon CloudWatch's metrics of RDS Proxy, by their own names in snake case.

Owns their dimensions: there is one endpoint before one target, and a proxy has no name
until it is given one. The list is that of
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.monitoring.html
"""

import re
from collections.abc import Callable
from typing import Final

from pinwatch.counters import Histogram
from pinwatch.metrics.family import Kind, Metric
from pinwatch.metrics.reading import Reading

DIMENSIONS: Final = {
    "proxy": "pinwatch",
    "endpoint": "default",
    "target": "default",
    "target_role": "READ_WRITE",
}
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
    value: Callable[[Reading], float | Histogram],
) -> Metric:
    values = tuple(DIMENSIONS[label] for label in labels)
    return Metric(
        f"pinwatch_{snake(cloudwatch)}{SUFFIXES[kind]}",
        kind,
        labels,
        meaning,
        unit,
        lambda reading: {values: value(reading)},
        cloudwatch,
    )


METRICS: Final = (
    metric(
        "AvailabilityPercentage",
        "gauge",
        ROLE,
        "100 while the target serves, 0 from an attempt to connect that showed that "
        "it does not to one that showed that it does.",
        "percent",
        lambda r: 100 * r.tally.target_serves,
    ),
    metric(
        "ClientConnections",
        "gauge",
        ENDPOINT,
        "Client connections, those that log in included.",
        "connections",
        lambda r: r.clients,
    ),
    metric(
        "ClientConnectionsClosed",
        "counter",
        ENDPOINT,
        "Client connections that ended.",
        "connections",
        lambda r: r.tally.clients_closed,
    ),
    metric(
        "ClientConnectionsNoTLS",
        "gauge",
        ENDPOINT,
        "Client connections without TLS.",
        "connections",
        lambda r: r.clients - r.clients_with_tls,
    ),
    metric(
        "ClientConnectionsReceived",
        "counter",
        ENDPOINT,
        "Client connections that were accepted, those that only carry a cancel request "
        "included.",
        "connections",
        lambda r: r.tally.clients_received,
    ),
    metric(
        "ClientConnectionsSetupFailedAuth",
        "counter",
        ENDPOINT,
        "Client connections that failed by authentication (SQLSTATE class 28) or TLS.",
        "connections",
        lambda r: r.tally.clients_failed,
    ),
    metric(
        "ClientConnectionsSetupSucceeded",
        "counter",
        ENDPOINT,
        "Clients that logged in.",
        "connections",
        lambda r: r.tally.clients_set_up,
    ),
    metric(
        "ClientConnectionsTLS",
        "gauge",
        ENDPOINT,
        "Client connections with TLS.",
        "connections",
        lambda r: r.clients_with_tls,
    ),
    metric(
        "DatabaseConnectionRequests",
        "counter",
        TARGET,
        "Database connections that the pool began to open.",
        "connections",
        lambda r: r.tally.connections_requested,
    ),
    metric(
        "DatabaseConnectionRequestsWithTLS",
        "counter",
        TARGET,
        "Of them, those that asked the target for TLS.",
        "connections",
        lambda r: r.tally.connections_requested_with_tls,
    ),
    metric(
        "DatabaseConnections",
        "gauge",
        TARGET,
        "Database connections of the pool, idle or borrowed; none that is being opened "
        "or closed.",
        "connections",
        lambda r: r.connections,
    ),
    metric(
        "DatabaseConnectionsBorrowLatency",
        "histogram",
        ENDPOINT,
        "How long clients waited for the database connection that they got, which is 0 "
        "where one was idle.",
        "seconds",
        lambda r: r.borrow_latency,
    ),
    metric(
        "DatabaseConnectionsCurrentlyBorrowed",
        "gauge",
        TARGET,
        "Database connections that are borrowed.",
        "connections",
        lambda r: len(r.pool.borrowed),
    ),
    metric(
        "DatabaseConnectionsCurrentlyInTransaction",
        "gauge",
        TARGET,
        "Database connections in a transaction, by the last ReadyForQuery.",
        "connections",
        lambda r: r.in_transaction,
    ),
    metric(
        "DatabaseConnectionsCurrentlySessionPinned",
        "gauge",
        TARGET,
        "Database connections that a pinned session keeps.",
        "connections",
        lambda r: r.pinned,
    ),
    metric(
        "DatabaseConnectionsSetupFailed",
        "counter",
        TARGET,
        "Database connections that could not be opened.",
        "connections",
        lambda r: r.tally.connections_failed,
    ),
    metric(
        "DatabaseConnectionsSetupSucceeded",
        "counter",
        TARGET,
        "Database connections that were opened.",
        "connections",
        lambda r: r.tally.connections_set_up,
    ),
    metric(
        "DatabaseConnectionsWithTLS",
        "gauge",
        TARGET,
        "Database connections with TLS.",
        "connections",
        lambda r: r.connections_with_tls,
    ),
    metric(
        "MaxDatabaseConnectionsAllowed",
        "gauge",
        TARGET,
        "The cap on database connections; as a percentage, less what the target "
        "reserves.",
        "connections",
        lambda r: r.pool.max_connections,
    ),
    metric(
        "QueryDatabaseResponseLatency",
        "histogram",
        ALL,
        "From when requests went to the database until all of them were answered, the "
        "extended protocol's included.",
        "seconds",
        lambda r: r.counters.database_latency,
    ),
    metric(
        "QueryRequests",
        "counter",
        ENDPOINT,
        "Query messages, one for several statements in one text; as on RDS Proxy, "
        "nothing of the extended protocol.",
        "requests",
        lambda r: r.queries,
    ),
    metric(
        "QueryRequestsNoTLS",
        "counter",
        ENDPOINT,
        "Of them, those of clients without TLS.",
        "requests",
        lambda r: r.counters.plain.queries,
    ),
    metric(
        "QueryRequestsTLS",
        "counter",
        ENDPOINT,
        "Of them, those of clients with TLS.",
        "requests",
        lambda r: r.counters.encrypted.queries,
    ),
    metric(
        "QueryResponseLatency",
        "histogram",
        ENDPOINT,
        "From when requests arrived until all of them were answered, the wait for a "
        "database connection included.",
        "seconds",
        lambda r: r.counters.query_latency,
    ),
)
