"""The kinds of panel on this dashboard.

Each has a title, a sentence that describes it, and queries: expressions with the
legends of their series. Callers set more options on the returned builder.
"""

from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import Panel, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.units import Seconds, Short

from grafana.datasources import PROMETHEUS
from grafana.links import live_page

HEIGHT: Final = 8
GOOD: Final = "green"
BAD: Final = "red"
NEUTRAL: Final = "text"

AnyPanel = Builder[Panel]
Query = tuple[str, str]
"""An expression, and the legend of its series."""


def graph(
    title: str, about: str, *queries: Query, width: int, unit: str = Short
) -> timeseries.Panel:
    """Return lines over time, with an axis from 0."""
    return (
        timeseries.Panel()
        .title(title)
        .description(about)
        .links([live_page()])
        .datasource(PROMETHEUS)
        .targets([_target(ref, *query) for ref, query in _lettered(queries)])
        .height(HEIGHT)
        .span(width)
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(TooltipDisplayMode.MULTI)
            .sort(SortOrder.DESCENDING)
            .hide_zeros(True)
        )
    )


def bars(title: str, about: str, *queries: Query, width: int) -> timeseries.Panel:
    """Return a count of events per minute, or per pixel where that is longer."""
    return (
        graph(title, about, *queries, width=width)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(80)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .interval("1m")
    )


def stacked(
    title: str, about: str, *queries: Query, width: int, unit: str = Short
) -> timeseries.Panel:
    """Return lines that are stacked, as parts of a whole."""
    panel = graph(title, about, *queries, width=width, unit=unit)
    return panel.fill_opacity(40).stacking(
        common.StackingConfig().mode(StackingMode.NORMAL)
    )


def with_limit(
    panel: timeseries.Panel, value: float, below: str, above: str
) -> timeseries.Panel:
    """Add a dashed line at value, and the colours below and above it."""
    return panel.thresholds(limit(value, below, above)).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    )


def number(
    title: str, about: str, query: Query, *, width: int, unit: str = Short
) -> stat.Panel:
    """Return the last value, in large type."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .links([live_page()])
        .datasource(PROMETHEUS)
        .with_target(_target("A", *query))
        .height(HEIGHT)
        .span(width)
        .unit(unit)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def latencies(title: str, about: str, buckets: str, *, width: int) -> heatmap.Panel:
    """Return a heatmap of a histogram's buckets over time."""
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .links([live_page()])
        .datasource(PROMETHEUS)
        .with_target(_target("A", buckets, "{{le}}").format(PromQueryFormat.HEATMAP))
        .height(HEIGHT)
        .span(width)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(Seconds))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME))
    )


def limit(value: float, below: str, above: str) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(None, below), Threshold(value, above)])
    )


def _lettered(queries: tuple[Query, ...]) -> list[tuple[str, Query]]:
    return list(zip(ascii_uppercase, queries, strict=False))


def _target(ref: str, expression: str, legend: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(ref)
        .expr(expression)
        .legend_format(legend)
        .range()
    )
