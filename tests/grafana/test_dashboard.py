"""The dashboard has its rows, all of CloudWatch's metrics, and nothing out of place."""

import re
from collections import Counter
from itertools import combinations
from typing import Any, Final

import pytest

from grafana.rows import health
from pinwatch.metrics import cloudwatch, own
from tests.grafana.written import DASHBOARD, expressions, panels, provisioned

COLUMNS: Final = 24  # of Grafana's grid


def test_rows() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "Is multiplexing working?",
        "Who pins?",
        "The pool",
        "Clients, logins and TLS",
        "Query latencies at the proxy and at the database",
        "Health",
    ]


def test_variables() -> None:
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["proxy", "endpoint"]


def metrics_used() -> set[str]:
    """Return the metrics in expressions; a histogram's samples by its own name."""
    text = " ".join(expression for _, expression in expressions())
    return set(re.findall(r"\bpinwatch_\w+?(?=_(?:bucket|sum|count)\b|\b)", text))


def test_it_shows_every_metric_of_cloudwatch() -> None:
    assert {metric.name for metric in cloudwatch.METRICS} - metrics_used() == set()


def test_it_asks_for_no_other_metric_than_there_is() -> None:
    exported = {metric.name for metric in (*cloudwatch.METRICS, *own.METRICS)}
    assert metrics_used() - exported == set()


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        counts = Counter(panel[key] for panel in DASHBOARD["panels"])
        assert [value for value, count in counts.items() if count > 1] == []


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel.get("description")] == []


def test_panels_are_within_the_grid_and_apart() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    assert not any(overlap(one, other) for one, other in combinations(places, 2))


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size]
        and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def known_datasources() -> dict[str, str]:
    """Types by uid."""
    found = provisioned("datasources")["datasources"]
    return {datasource["uid"]: datasource["type"] for datasource in found}


def referenced(value: Any) -> list[dict[str, str]]:
    """Every data source that is meant anywhere within."""
    if isinstance(value, list):
        return [found for item in value for found in referenced(item)]
    if not isinstance(value, dict):
        return []
    here = [value["datasource"]] if "datasource" in value else []
    return here + referenced(list(value.values()))


def test_its_data_sources_are_provisioned() -> None:
    assert referenced(DASHBOARD)
    for source in referenced(DASHBOARD):
        assert known_datasources()[source["uid"]] == source["type"]


UNSCRAPED: Final = "pinwatch cannot be scraped"
"""The title of the one alert that is about no metric of pinwatch."""


def test_alerts_point_to_the_panels_that_show_them() -> None:
    (group,) = provisioned("alerting")["groups"]
    ids = {str(panel["id"]): panel for panel in panels()}
    for rule in group["rules"]:
        assert rule["annotations"]["__dashboardUid__"] == DASHBOARD["uid"]
        panel = ids[rule["annotations"]["__panelId__"]]
        if rule["title"] == UNSCRAPED:
            assert panel["title"] == health.AVAILABILITY_TITLE
        else:
            metric = re.findall(r"pinwatch_\w+", rule["data"][0]["model"]["expr"])[0]
            assert metric in panel["targets"][0]["expr"]


@pytest.mark.parametrize("rule", provisioned("alerting")["groups"][0]["rules"])
def test_alerts_ask_what_is_provisioned(rule: dict[str, Any]) -> None:
    asked, decided = rule["data"]
    assert asked["datasourceUid"] in known_datasources()
    assert decided["datasourceUid"] == decided["model"]["datasource"]["uid"]
    assert rule["condition"] == decided["refId"]
    assert decided["model"]["expression"] == asked["refId"]
