"""Client connections, logins and the use of TLS."""

from typing import Final

from grafana_foundation_sdk.models.units import OpsPerSecond

from grafana.panels import AnyPanel, graph, stacked
from grafana.promql import now, rate

TITLE: Final = "Clients, logins and TLS"


def panels() -> list[AnyPanel]:
    return [
        stacked(
            "Client connections",
            "With and without TLS, including those that are still logging in.",
            (now("client_connections_tls"), "TLS"),
            (now("client_connections_no_tls"), "no TLS"),
            width=8,
        ),
        graph(
            "Logins",
            "Client connections that were accepted, logged in, failed in "
            "authentication or TLS, and closed.",
            (rate("client_connections_received_total"), "received"),
            (rate("client_connections_setup_succeeded_total"), "logged in"),
            (rate("client_connections_setup_failed_auth_total"), "failed"),
            (rate("client_connections_closed_total"), "closed"),
            width=8,
            unit=OpsPerSecond,
        ),
        graph(
            "TLS to the database",
            "Open database connections: with TLS, and all.",
            (now("database_connections_with_tls"), "TLS"),
            (now("database_connections"), "all"),
            width=4,
        ),
        graph(
            "TLS requested from the database",
            "Attempts to open a database connection: with TLS, and all.",
            (rate("database_connection_requests_with_tls_total"), "TLS"),
            (rate("database_connection_requests_total"), "all"),
            width=4,
            unit=OpsPerSecond,
        ),
    ]
