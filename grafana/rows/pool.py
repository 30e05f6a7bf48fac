"""The pool: the states of its database connections, and the clients in its queue."""

from typing import Final

from grafana_foundation_sdk.models.units import OpsPerSecond

from grafana.panels import AnyPanel, graph, latencies, stacked
from grafana.promql import increase, now, rate

TITLE: Final = "The pool"

OPEN: Final = now("database_connections")
BORROWED: Final = now("database_connections_currently_borrowed")


def panels() -> list[AnyPanel]:
    return [
        graph(
            "Database connections",
            "By state; max_connections or max_connections_percent sets the cap.",
            (BORROWED, "borrowed"),
            (now("database_connections_currently_in_transaction"), "in transaction"),
            (f"{OPEN} - {BORROWED}", "idle"),
            (now("max_database_connections_allowed"), "cap"),
            width=12,
        ),
        latencies(
            "Borrow latency",
            "Time that clients waited for their database connection.",
            increase(
                "database_connections_borrow_latency_seconds", "le", suffix="_bucket"
            ),
            width=12,
        ),
        graph(
            "Waiting clients",
            "Clients that wait for a database connection.",
            (now("borrow_queue_length"), "waiting"),
            width=8,
        ),
        stacked(
            "Borrows",
            "Requests for a database connection, by outcome.",
            (rate("borrows_total", "outcome"), "{{outcome}}"),
            width=8,
            unit=OpsPerSecond,
        ),
        graph(
            "Opening database connections",
            "Connections that the pool began to open, by outcome.",
            (rate("database_connection_requests_total"), "requested"),
            (rate("database_connections_setup_succeeded_total"), "opened"),
            (rate("database_connections_setup_failed_total"), "failed"),
            width=8,
            unit=OpsPerSecond,
        ),
    ]
