"""The files of `python -m grafana`, as Grafana and Prometheus read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "grafana"
RULES: Final = FOLDER / "prometheus" / "rules.yaml"
DASHBOARD: Final[dict[str, Any]] = json.loads(
    (FOLDER / "dashboards" / "pinwatch.json").read_text()
)


def provisioned(kind: str) -> dict[str, Any]:
    """Return the provisioning of datasources, dashboards or alerting."""
    text = (FOLDER / "provisioning" / kind / "pinwatch.yaml").read_text()
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def panels() -> list[dict[str, Any]]:
    """Return the panels that are no rows, also those of collapsed rows."""
    every = [inner for one in DASHBOARD["panels"] for inner in (one, *inside(one))]
    return [panel for panel in every if panel["type"] != "row"]


def inside(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a collapsed row."""
    found: list[dict[str, Any]] = panel.get("panels", [])
    return found


def looked_up() -> list[dict[str, Any]]:
    """Return the variables whose values Prometheus has."""
    variables = DASHBOARD["templating"]["list"]
    return [variable for variable in variables if variable["type"] == "query"]


def rules() -> list[dict[str, Any]]:
    """Grafana's, whose queries have no limit."""
    (group,) = provisioned("alerting")["groups"]
    of_group: list[dict[str, Any]] = group["rules"]
    return of_group


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression, after who has it; of variables those in label_values."""
    for panel in panels():
        for target in panel["targets"]:
            if "expr" in target:
                yield f"panel {panel['title']}", target["expr"]
    for variable in looked_up():
        query = variable["query"].removeprefix("label_values(").rpartition(",")[0]
        yield f"variable {variable['name']}", query
    for rule in rules():
        for query in rule["data"]:
            if "expr" in query["model"]:
                yield f"alert {rule['title']}", query["model"]["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
