"""docs/dashboards.md has every row and every alert, in their order."""

import re
from pathlib import Path

import pytest

from grafana.alerts import ALERTS
from grafana.dashboard import ROWS
from tests.docker.compose import SERVICES, interpolated

PAGE = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text()


def first_cells(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[1:]


def test_rows() -> None:
    assert first_cells("What each row answers") == [row.TITLE for row in ROWS]


@pytest.mark.parametrize("heading", ["Alerts", "Rehearse an alert"])
def test_alerts(heading: str) -> None:
    assert first_cells(heading) == [f"`{alert.name}`" for alert in ALERTS]


def test_where_things_are() -> None:
    ports = [port for one in SERVICES.values() for port in one.get("ports", ())]
    assert [port for port in ports if port.rpartition(":")[0] not in PAGE] == []


def test_the_token() -> None:
    variables = SERVICES["pinwatch"]["environment"]
    assert f"`{interpolated(variables['PINWATCH_HTTP_TOKEN'], {})}`" in PAGE
