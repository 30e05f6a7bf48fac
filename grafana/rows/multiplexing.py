"""Multiplexing: many clients on few database connections, few of them pinned."""

from typing import Final

from grafana_foundation_sdk.models.units import PercentUnit

from grafana.panels import (
    BAD,
    GOOD,
    NEUTRAL,
    AnyPanel,
    graph,
    limit,
    number,
    with_limit,
)
from grafana.promql import now, share

TITLE: Final = "Is multiplexing working?"
RULE_OF_THUMB: Final = 5  # clients to a database connection
TOLERABLE: Final = 0.1  # of the database connections, pinned

CLIENTS: Final = now("client_connections")
CONNECTIONS: Final = now("database_connections")
PINNED: Final = now("database_connections_currently_session_pinned")
RATIO: Final = share(CLIENTS, CONNECTIONS)
PINNED_SHARE: Final = share(PINNED, CONNECTIONS)
PINNED_SHARE_TITLE: Final = "Pinned share over time"


def panels() -> list[AnyPanel]:
    return [
        number(
            "Clients per connection",
            "Client connections per database connection. RDS Proxy pays off from about "
            "5:1.",
            (RATIO, "ratio"),
            width=3,
        )
        .decimals(1)
        .thresholds(limit(RULE_OF_THUMB, NEUTRAL, GOOD)),
        number(
            "Pinned share",
            "Share of the open database connections that a pinned session keeps.",
            (PINNED_SHARE, "pinned"),
            width=3,
            unit=PercentUnit,
        ).thresholds(limit(TOLERABLE, GOOD, BAD)),
        graph(
            "Clients over database connections",
            "The wider the gap, the more clients share a connection.",
            (CLIENTS, "clients"),
            (CONNECTIONS, "database connections"),
            (PINNED, "pinned"),
            width=6,
        ),
        with_limit(
            graph(
                "Clients per connection over time",
                "Compared with the rule of thumb, 5:1.",
                (RATIO, "clients per connection"),
                width=6,
            ),
            RULE_OF_THUMB,
            NEUTRAL,
            GOOD,
        ),
        with_limit(
            graph(
                PINNED_SHARE_TITLE,
                "Compared with the limit of the alert, 10 %.",
                (PINNED_SHARE, "pinned"),
                width=6,
                unit=PercentUnit,
            ),
            TOLERABLE,
            GOOD,
            BAD,
        ),
    ]
