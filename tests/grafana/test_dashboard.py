"""The dashboard has its rows, all of CloudWatch's metrics, and nothing out of place."""

import re
from collections import Counter
from itertools import combinations
from typing import Any, Final

import pytest

from grafana.rows import health
from pinwatch.metrics import cloudwatch, own
from tests.grafana.written import (
    DASHBOARD,
    expressions,
    inside,
    looked_up,
    panels,
    provisioned,
)

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
    assert variables == ["datasource", "api", "job", "instance", "proxy", "endpoint"]


def test_rows_below_the_first_two_are_collapsed() -> None:
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert [row["collapsed"] for row in rows] == 2 * [False] + 4 * [True]
    assert [bool(inside(row)) for row in rows] == 2 * [False] + 4 * [True]


def test_every_query_is_of_the_chosen_instance() -> None:
    """A metric without the label proxy takes it from the one that it is joined with."""
    for who, expression in expressions():
        kind, _, name = who.partition(" ")
        if kind == "alert" or name == "job":
            continue
        selectors = re.findall(r"(?:pinwatch_\w+|\bup)\{(.*?)\}", expression)
        named = re.findall(r"pinwatch_\w+|\bup\b", expression)
        assert len(selectors) == len(named), expression
        for selector in selectors:
            assert selector.startswith('job=~"$job"')
            if name != "instance":
                assert 'instance="$instance"' in selector


def test_variables_depend_on_those_before_them() -> None:
    before: list[str] = []
    for variable in looked_up():
        assert re.findall(r'="\$(\w+)"|=~"\$(\w+)"', variable["query"]) == [
            ("", name) if name != "instance" else (name, "") for name in before
        ]
        before.append(variable["name"])


def test_import_asks_for_prometheus_only() -> None:
    """Import substitutes what it asks for, and leaves variables as they are."""
    (asked,) = DASHBOARD["__inputs"]
    assert (asked["type"], asked["pluginId"]) == ("datasource", "prometheus")
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["current"]["value"] == f"${{{asked['name']}}}"
    assert asked["name"] not in variables
    assert {
        one["query"] for one in variables.values() if one["type"] == "datasource"
    } == {one["id"] for one in DASHBOARD["__requires"] if one["type"] == "datasource"}


def test_every_panel_links_to_the_live_page() -> None:
    (link,) = DASHBOARD["links"]
    assert link["url"] == "http://${instance}/"
    assert [p["title"] for p in panels() if p["links"][0]["url"] != link["url"]] == []


def test_series_and_cells_with_a_rule_link_to_its_page() -> None:
    linked = set()
    for panel in panels():
        config = panel.get("fieldConfig", {})
        for link in config.get("defaults", {}).get("links", []):
            assert link["url"] == "http://${instance}/rules/${__field.labels.rule}"
            assert "by (rule)" in panel["targets"][0]["expr"]
            linked.add(panel["title"])
        for override in config.get("overrides", []):
            properties = {one["id"]: one["value"] for one in override["properties"]}
            for link in properties.get("links", []):
                assert link["url"] == "http://${instance}/rules/${__value.text}"
                assert override["matcher"]["options"] == "rule"
                linked.add(panel["title"])
    assert linked == {"Pins by rule", "Pinned sessions by rule", "Pin events"}


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
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    for key in ("id", "title"):
        counts = Counter(panel[key] for panel in (*rows, *panels()))
        assert [value for value, count in counts.items() if count > 1] == []


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel.get("description")] == []


def test_panels_are_within_the_grid_and_apart() -> None:
    groups = [DASHBOARD["panels"], *map(inside, DASHBOARD["panels"])]
    for group in groups:
        places = [panel["gridPos"] for panel in group]
        assert all(place["x"] + place["w"] <= COLUMNS for place in places)
        assert not any(overlap(one, other) for one, other in combinations(places, 2))


def test_collapsed_rows_follow_each_other() -> None:
    rows = [panel for panel in DASHBOARD["panels"] if inside(panel)]
    first = rows[0]["gridPos"]["y"]
    assert [row["gridPos"]["y"] for row in rows] == list(
        range(first, first + len(rows))
    )
    for row in rows:
        assert inside(row)[0]["gridPos"]["y"] == row["gridPos"]["y"] + 1


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


def test_its_data_sources_are_variables() -> None:
    variables = {
        f"${{{one['name']}}}": one["query"]
        for one in DASHBOARD["templating"]["list"]
        if one["type"] == "datasource"
    }
    assert referenced(DASHBOARD)
    for source in referenced(DASHBOARD):
        assert variables[source["uid"]] == source["type"]
    assert set(variables.values()) == set(known_datasources().values())


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
