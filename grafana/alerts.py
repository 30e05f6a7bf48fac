"""The alerts: an expression, its limit, and advice for an alert that fires.

Grafana and Prometheus get the same alerts.
"""

from dataclasses import dataclass
from typing import Final, Literal

from grafana.rows import health, multiplexing, pins

FEWEST_PINNED: Final = 3
"""Pinned connections below which their share is no news: one of one is 100 %."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires when its expression has crossed the limit for ``lasting``.

    panel is the title of the panel that shows the expression, or the outage.
    """

    name: str
    expression: str
    side: Literal["above", "below"]
    limit: float
    lasting: str
    severity: Literal["warning", "critical"]
    summary: str
    description: str
    panel: str


ALERTS: Final = (
    Alert(
        name="PinwatchPinnedShare",
        expression="(pinwatch_database_connections_currently_session_pinned"
        " / (pinwatch_database_connections > 0)"
        " and pinwatch_database_connections_currently_session_pinned"
        f" >= {FEWEST_PINNED})",
        side="above",
        limit=multiplexing.TOLERABLE,
        lasting="5m",
        severity="warning",
        summary=f"At least {FEWEST_PINNED}, and more than 10 %, of the database "
        "connections are pinned",
        description="Pinned sessions keep their database connections until they end, "
        "so other clients have to wait. /api/digests ranks the statements that pin.",
        panel=multiplexing.PINNED_SHARE_TITLE,
    ),
    Alert(
        name="PinwatchBorrowTimeouts",
        expression='increase(pinwatch_borrows_total{outcome="timed_out"}[5m])',
        side="above",
        limit=0,
        lasting="0s",
        severity="critical",
        summary="Clients time out waiting for a database connection",
        description="All database connections were borrowed for longer than "
        "connection_borrow_timeout. Look for pinned sessions and long transactions, or "
        "raise max_connections.",
        panel=health.TIMEOUTS_TITLE,
    ),
    Alert(
        name="PinwatchTargetUnavailable",
        expression="pinwatch_availability_percentage",
        side="below",
        limit=100,
        lasting="1m",
        severity="critical",
        summary="The target is unavailable",
        description="The last attempt to connect to the target failed. /readyz returns "
        "the reason.",
        panel=health.AVAILABILITY_TITLE,
    ),
    Alert(
        name="PinwatchHiddenState",
        expression="increase(pinwatch_hidden_state_total[5m])",
        side="above",
        limit=0,
        lasting="0s",
        severity="warning",
        summary="A statement left state for the next client",
        description="A function, a trigger or a DO block left state on a database "
        "connection. RDS Proxy does not see it. /api/leaks lists the state, the "
        "statement and the function.",
        panel=pins.LEAKS_TITLE,
    ),
    Alert(
        name="PinwatchDown",
        expression='up{job="pinwatch"}',
        side="below",
        limit=1,
        lasting="1m",
        severity="critical",
        summary="pinwatch cannot be scraped",
        description="Prometheus gets no answer from pinwatch's HTTP address: the "
        "process has ended, or the address, the network or http_token is wrong.",
        panel=health.AVAILABILITY_TITLE,
    ),
)
