"""Query latencies: at the proxy, with waits for a connection, and at the database."""

from typing import Final

from grafana_foundation_sdk.models.units import OpsPerSecond, Seconds

from grafana.panels import AnyPanel, Query, graph, stacked
from grafana.promql import mean, quantile, rate

TITLE: Final = "Query latencies at the proxy and at the database"
PROXY: Final = "query_response_latency_seconds"
DATABASE: Final = "query_database_response_latency_seconds"


def panels() -> list[AnyPanel]:
    return [
        graph(
            "At the proxy",
            "From the arrival of requests until all of them were answered.",
            *quantiles(PROXY),
            width=8,
            unit=Seconds,
        ),
        graph(
            "At the database",
            "From sending requests to the database until all of them were answered.",
            *quantiles(DATABASE),
            width=8,
            unit=Seconds,
        ),
        graph(
            "On average",
            "The difference is the wait for a connection and the proxy's own time.",
            (mean(PROXY), "at the proxy"),
            (mean(DATABASE), "at the database"),
            width=8,
            unit=Seconds,
        ),
        graph(
            "Statements",
            "All that clients ran; QueryRequests excludes the extended protocol.",
            (rate("statements_total"), "statements"),
            (rate("query_requests_total"), "QueryRequests"),
            (rate("query_requests_tls_total"), "of them TLS"),
            (rate("query_requests_no_tls_total"), "of them no TLS"),
            width=12,
            unit=OpsPerSecond,
        ),
        stacked(
            "Transactions",
            "By outcome; a statement outside of a transaction counts as one.",
            (rate("transactions_total", "outcome"), "{{outcome}}"),
            width=12,
            unit=OpsPerSecond,
        ),
    ]


def quantiles(name: str) -> list[Query]:
    return [(quantile(part, name), f"p{part * 100:g}") for part in (0.5, 0.95, 0.99)]
