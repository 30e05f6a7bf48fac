"""What deserves a person's attention: an expression, the limit it may not cross, why.

The same alerts are written for Grafana and for Prometheus.
"""

from dataclasses import dataclass
from typing import Final, Literal

from grafana.rows import health, multiplexing


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires once the expression was above or below the limit for so long.

    panel is the title of the one that shows it.
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
        expression="pinwatch_database_connections_currently_session_pinned"
        " / (pinwatch_database_connections > 0)",
        side="above",
        limit=multiplexing.TOLERABLE,
        lasting="5m",
        severity="warning",
        summary="More than 10 % of the database connections are pinned",
        description="Pinned sessions keep their database connections until they end, "
        "so that others have to wait. /api/digests ranks the statements that pin.",
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
        description="All database connections were borrowed for as long as "
        "connection_borrow_timeout. Pins, long transactions or a low cap are why.",
        panel=health.TIMEOUTS_TITLE,
    ),
    Alert(
        name="PinwatchTargetUnavailable",
        expression="pinwatch_availability_percentage",
        side="below",
        limit=100,
        lasting="1m",
        severity="critical",
        summary="The target does not serve",
        description="The last attempt to connect to the target showed that it is not "
        "there or does not serve. /readyz says why.",
        panel=health.AVAILABILITY_TITLE,
    ),
)
