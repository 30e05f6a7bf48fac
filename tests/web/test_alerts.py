"""The page of the alerts over HTTP."""

import re

from starlette.applications import Starlette

from grafana.alerts import ALERTS
from pinwatch.web.alerts import alerts_routes
from tests.site import ANY_PORT, alone, ask


def test_each_alert_has_a_section_with_steps() -> None:
    with alone(Starlette(routes=alerts_routes()), ANY_PORT) as url:
        shown = ask(f"{url}/alerts").text
    _, *sections = re.split("<h2 id=.*?>", shown)
    assert [one.partition("</h2>")[0] for one in sections] == [a.name for a in ALERTS]
    assert all("<li>" in one for one in sections)


def test_its_links_lead_to_its_sections() -> None:
    with alone(Starlette(routes=alerts_routes()), ANY_PORT) as url:
        shown = ask(f"{url}/alerts").text
    links = set(re.findall('href="#(.*?)"', shown))
    assert links
    assert links <= set(re.findall('id="(.*?)"', shown))
