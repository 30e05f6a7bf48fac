"""Clients: how many, how they log in, and who uses TLS."""

from typing import Final

from grafana_foundation_sdk.models.units import OpsPerSecond

from grafana.panels import AnyPanel, graph, stacked
from grafana.promql import now, rate

TITLE: Final = "Clients, logins and TLS"


def panels() -> list[AnyPanel]:
    return [
        stacked(
            "Client connections",
            "With TLS and without, those that log in included.",
            (now("client_connections_tls"), "TLS"),
            (now("client_connections_no_tls"), "no TLS"),
            width=8,
        ),
        graph(
            "Logins",
            "Client connections that came, logged in, failed by authentication or TLS, "
            "and went.",
            (rate("client_connections_received_total"), "received"),
            (rate("client_connections_setup_succeeded_total"), "logged in"),
            (rate("client_connections_setup_failed_auth_total"), "failed"),
            (rate("client_connections_closed_total"), "closed"),
            width=8,
            unit=OpsPerSecond,
        ),
        graph(
            "TLS to the database",
            "Database connections with TLS, of all that are open.",
            (now("database_connections_with_tls"), "TLS"),
            (now("database_connections"), "all"),
            width=4,
        ),
        graph(
            "TLS asked of the database",
            "Database connections that asked for TLS, of all that were begun.",
            (rate("database_connection_requests_with_tls_total"), "TLS"),
            (rate("database_connection_requests_total"), "all"),
            width=4,
            unit=OpsPerSecond,
        ),
    ]
