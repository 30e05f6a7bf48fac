"""The dashboard: its rows in order, its variables and its annotations."""

from collections.abc import Iterator
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
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.datasources import (
    API_TYPE,
    API_VARIABLE,
    PROMETHEUS,
    PROMETHEUS_TYPE,
    PROMETHEUS_VARIABLE,
)
from grafana.links import live_page
from grafana.promql import changes
from grafana.rows import clients, health, latencies, multiplexing, pins, pool

UID: Final = "pinwatch"
TITLE: Final = "pinwatch"
ROWS: Final = (multiplexing, pins, pool, clients, latencies, health)
OPEN_ROWS: Final = 2  # the others are collapsed
ALL: Final = VariableOption(text="All", value="$__all")

PROMETHEUS_INPUT: Final = "DS_PROMETHEUS"
INPUTS: Final = [
    {
        "name": PROMETHEUS_INPUT,
        "label": "Prometheus",
        "description": "The Prometheus that scrapes pinwatch",
        "type": "datasource",
        "pluginId": PROMETHEUS_TYPE,
        "pluginName": "Prometheus",
    }
]
"""Questions of Grafana's Import. The Infinity data source is not among them, because
Import refuses a dashboard that asks for a data source of a missing plugin."""
REQUIRES: Final = [
    {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "12.4.0"},
    {"type": "datasource", "id": PROMETHEUS_TYPE, "name": "Prometheus", "version": ""},
    {"type": "datasource", "id": API_TYPE, "name": "Infinity", "version": ""},
]

CLIENTS: Final = "pinwatch_client_connections"
OF_JOB: Final = 'job=~"$job"'
OF_INSTANCE: Final = f'{OF_JOB}, instance="$instance"'
OF_PROXY: Final = f'{OF_INSTANCE}, proxy=~"$proxy"'


def document() -> dict[str, object]:
    """Return the JSON document, for provisioning as well as for Import."""
    return build().to_json() | {"__inputs": INPUTS, "__requires": REQUIRES}


def build() -> Dashboard:
    built = (
        dashboard.Dashboard(TITLE)
        .uid(UID)
        .description("A local Amazon RDS Proxy for PostgreSQL: its pool and its pins.")
        .tags(["pinwatch", "postgresql"])
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(live_page())
        .annotation(Failovers())
    )
    for variable in variables():
        built.with_variable(variable)
    for number, row in enumerate(ROWS):
        heading = dashboard.Row(row.TITLE)
        if number < OPEN_ROWS:
            built.with_row(heading)
            for panel in row.panels():
                built.with_panel(panel)
        else:
            for panel in row.panels():
                heading.with_panel(panel)
            built.with_row(heading)
    return _placed(_numbered(built.build()))


def variables() -> list[Builder[VariableModel]]:
    """Return the variables; each is looked up for the values of those before it."""
    prometheus = VariableOption(text="Prometheus", value=f"${{{PROMETHEUS_INPUT}}}")
    return [
        data_source(PROMETHEUS_VARIABLE, "Prometheus", PROMETHEUS_TYPE).current(
            prometheus
        ),
        data_source(API_VARIABLE, "pinwatch API", API_TYPE),
        chosen("job", f"label_values({CLIENTS}, job)"),
        looked_up("instance", f"label_values({CLIENTS}{{{OF_JOB}}}, instance)"),
        chosen("proxy", f"label_values({CLIENTS}{{{OF_INSTANCE}}}, proxy)"),
        chosen("endpoint", f"label_values({CLIENTS}{{{OF_PROXY}}}, endpoint)"),
    ]


def panel_id(title: str) -> int:
    """Return the id of the only panel with this title."""
    (panel,) = [panel for panel in _panels(build()) if panel.title == title]
    assert panel.id_val is not None
    return panel.id_val


def data_source(name: str, label: str, plugin: str) -> dashboard.DatasourceVariable:
    """Return a variable that selects a data source of the plugin."""
    return dashboard.DatasourceVariable(name).label(label).type(plugin)


def looked_up(name: str, query: str) -> dashboard.QueryVariable:
    """Return a variable that selects one value, the first one by default."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def chosen(name: str, query: str) -> dashboard.QueryVariable:
    """Return a variable that selects all values by default."""
    several = looked_up(name, query).multi(True).include_all(True)
    return several.all_value(".+").current(ALL)


class Failovers(Builder[AnnotationQuery]):
    """An annotation at each failover; Grafana annotates values above 0."""

    def build(self) -> AnnotationQuery:
        return Titled(
            name="Failovers",
            datasource=PROMETHEUS,
            enable=True,
            icon_color="red",
            expr=changes("failovers_total"),
        )


class Titled(AnnotationQuery):
    """An annotation with Prometheus's titleFormat, which the SDK lacks."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": "Failover"}


def _numbered(built: Dashboard) -> Dashboard:
    """Number the panels, so that alerts can refer to them."""
    numbers = count(1)
    for panel in built.panels or ():
        panel.id_val = next(numbers)
        for inner in _inside(panel):
            inner.id_val = next(numbers)
    return built


def _placed(built: Dashboard) -> Dashboard:
    """Move rows up to where they are as long as the rows above are collapsed."""
    hidden = 0
    for panel in built.panels or ():
        height = 0
        for moved in (panel, *_inside(panel)):
            assert moved.grid_pos is not None
            moved.grid_pos.y -= hidden
            bottom = moved.grid_pos.y + moved.grid_pos.h
            height = max(height, bottom)
        if _inside(panel):
            assert panel.grid_pos is not None
            hidden += height - (panel.grid_pos.y + panel.grid_pos.h)
    return built


def _panels(built: Dashboard) -> Iterator[Panel]:
    for panel in built.panels or ():
        if isinstance(panel, Panel):
            yield panel
        yield from _inside(panel)


def _inside(panel: Panel | RowPanel) -> list[Panel]:
    """Return the panels of a collapsed row."""
    return panel.panels if isinstance(panel, RowPanel) else []
