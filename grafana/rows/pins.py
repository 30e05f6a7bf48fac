"""Pins by rule, database and user, over time, and each pin with its advice."""

from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
)
from grafana_foundation_sdk.models.units import Seconds

from grafana.datasources import API
from grafana.infinity import JsonQuery, JsonQueryBuilder
from grafana.links import live_page, rule_of_cell, rule_of_series
from grafana.panels import HEIGHT, AnyPanel, bars, stacked
from grafana.promql import occurrences, rate

TITLE: Final = "Who pins?"
LEAKS_TITLE: Final = "Hidden state by kind"
EVENTS: Final = 200  # rows of the table

PINS: Final = JsonQuery(
    "/api/pins",
    {
        "at": "timestamp",
        "rule": "string",
        "user": "string",
        "database": "string",
        "application_name": "string",
        "source": "string",
        "digest": "string",
        "sql": "string",
        "pinned_seconds": "number",
        "advice": "string",
    },
    {"since": "${__from:date:iso}", "first": "true"},
)
WIDTHS: Final = {
    "at": 170,
    "rule": 130,
    "user": 110,
    "database": 110,
    "application_name": 140,
    "source": 180,
    "pinned_seconds": 120,
}


def panels() -> list[AnyPanel]:
    return [
        bars(
            "Pins by rule",
            "Sessions that pinned, by the rule that pinned them first.",
            (occurrences("pins_total", "rule"), "{{rule}}"),
            width=8,
        ).data_links([rule_of_series()]),
        bars(
            "Pins by database",
            "Sessions that pinned.",
            (occurrences("pins_total", "database"), "{{database}}"),
            width=8,
        ),
        bars(
            "Pins by user",
            "Sessions that pinned.",
            (occurrences("pins_total", "user"), "{{user}}"),
            width=8,
        ),
        stacked(
            "Pinned sessions by rule",
            "Average number of pinned sessions: pinned seconds per second.",
            (f"{rate('pinned_seconds_total', 'rule')} > 0", "{{rule}}"),
            width=8,
        ).data_links([rule_of_series()]),
        bars(
            "Warnings by rule",
            "Statements that do not pin but got a warning.",
            (occurrences("pin_warnings_total", "rule"), "{{rule}}"),
            width=8,
        ),
        bars(
            LEAKS_TITLE,
            "States that statements left on a database connection, unseen by RDS "
            "Proxy; none are found while hidden_state is off.",
            (occurrences("hidden_state_total", "kind"), "{{kind}}"),
            width=8,
        ),
        events(),
    ]


def events() -> table.Panel:
    panel = (
        table.Panel()
        .title("Pin events")
        .description(
            "The latest sessions that pinned in the time range, from /api/pins."
        )
        .links([live_page()])
        .datasource(API)
        .with_target(JsonQueryBuilder(PINS))
        .with_transformation(
            DataTransformerConfig("limit", options={"limitField": EVENTS})
        )
        .height(HEIGHT + 4)
        .span(24)
        .filterable(True)
    )
    for name, width in WIDTHS.items():
        panel.override_by_name(name, [DynamicConfigValue("custom.width", width)])
    panel.override_by_name(
        "rule", [DynamicConfigValue("links", [rule_of_cell().build()])]
    )
    return panel.override_by_name(
        "pinned_seconds", [DynamicConfigValue("unit", Seconds)]
    )
