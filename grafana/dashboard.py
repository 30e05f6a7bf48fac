"""The dashboard: its rows in order, its variables and its annotations."""

from itertools import count
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    Panel,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.datasources import PROMETHEUS
from grafana.promql import STEP
from grafana.rows import clients, health, latencies, multiplexing, pins, pool

UID: Final = "pinwatch"
TITLE: Final = "pinwatch"
ROWS: Final = (multiplexing, pins, pool, clients, latencies, health)
ALL: Final = VariableOption(text="All", value="$__all")
FAILOVERS: Final = f"changes(pinwatch_failovers_total[{STEP}])"


def build() -> Dashboard:
    built = (
        dashboard.Dashboard(TITLE)
        .uid(UID)
        .description("A local Amazon RDS Proxy for PostgreSQL: its pool and its pins.")
        .tags(["pinwatch", "postgresql"])
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            chosen("proxy", "label_values(pinwatch_client_connections, proxy)")
        )
        .with_variable(
            chosen(
                "endpoint",
                'label_values(pinwatch_client_connections{proxy=~"$proxy"}, endpoint)',
            )
        )
        .annotation(Failovers())
    )
    for row in ROWS:
        built.with_row(dashboard.Row(row.TITLE))
        for panel in row.panels():
            built.with_panel(panel)
    return _numbered(built.build())


def panel_id(title: str) -> int:
    """Return the id of the only panel with this title."""
    (panel,) = [
        panel
        for panel in build().panels or ()
        if isinstance(panel, Panel) and panel.title == title
    ]
    assert panel.id_val is not None
    return panel.id_val


def chosen(name: str, query: str) -> dashboard.QueryVariable:
    """Return a variable that selects all values by default."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(ALL)
    )


class Failovers(Builder[AnnotationQuery]):
    """An annotation at each failover; Grafana annotates values above 0."""

    def build(self) -> AnnotationQuery:
        return Titled(
            name="Failovers",
            datasource=PROMETHEUS,
            enable=True,
            icon_color="red",
            expr=FAILOVERS,
        )


class Titled(AnnotationQuery):
    """An annotation with Prometheus's titleFormat, which the SDK lacks."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": "Failover"}


def _numbered(built: Dashboard) -> Dashboard:
    """Number the panels, so that alerts can refer to them."""
    numbers = count(1)
    for panel in built.panels or ():
        assert isinstance(panel, Panel | RowPanel)
        panel.id_val = next(numbers)
    return built
