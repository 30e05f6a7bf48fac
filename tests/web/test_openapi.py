"""The OpenAPI document is valid, has every route, and is what is answered."""

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.routing import Mount, Route

from pinwatch.metrics.exporter import metrics_route
from pinwatch.metrics.tally import Tally
from pinwatch.observers.leak_history import Leaks
from pinwatch.observers.pin_history import History
from pinwatch.observers.timeline import Timeline
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.history import history_route
from pinwatch.web.leaks import leaks_route
from pinwatch.web.operation import JSON
from pinwatch.web.proxy import proxy_route
from pinwatch.web.stream import Feed
from pinwatch.web.summary import summary_route
from tests.leaked import LEAK
from tests.site import ask
from tests.web.conftest import Watch, Watched, no_reload

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


@pytest.fixture
def watched(watch: Watch) -> Watched:
    """One that has something of everything to tell."""
    watched = watch(3)
    for sql in ("LISTEN jobs", "BEGIN", "SET LOCAL a.b = 'c'"):
        watched(application_name="shop").query(sql)
    watched.observe(LEAK)
    watched.tick()
    return watched


@pytest.fixture
def document(watched: Watched) -> Any:
    return watched.get("/openapi.json")


def test_it_is_valid(document: Any) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_route_is_in_it(watched: Watched) -> None:
    proxy = watched.clients.proxy.proxy
    tally, history = Tally(proxy.clock), History(proxy.clock)
    leaks, timeline = Leaks(), Timeline(proxy.clock)
    answers = app(
        proxy,
        history,
        Feed(history),
        leaks_route(proxy, leaks),
        history_route(timeline),
        summary_route(proxy, history, leaks, timeline),
        proxy_route(proxy, tally),
        metrics_route(proxy, tally),
        *control_routes(proxy, no_reload),
    )
    routes = [route for route in answers.routes if isinstance(route, Route)]
    (files,) = [route for route in answers.routes if not isinstance(route, Route)]
    assert isinstance(files, Mount)
    document = next(r for r in routes if r.path == "/openapi.json")
    assert document.include_in_schema
    described = watched.get("/openapi.json")["paths"]
    left_out = {"/", "/favicon.ico", "/alerts", "/rules", "/rules/{rule}"}
    assert {route.path for route in routes} - set(described) == left_out
    for methods in described.values():
        assert all(one["summary"].endswith(".") for one in methods.values())
    paths = {
        route.path.replace("{name}", "NAME").replace("{rule}", "RULE")
        for route in routes
    }
    assert [path for path in paths if f"{path}`" not in PAGE] == []


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/api/sessions",
        "/api/pins",
        "/api/digests",
        "/api/leaks",
        "/api/history",
        "/api/summary",
        "/api/proxy",
        "/api/pool",
        "/api/config",
        "/api/targets",
    ],
)
def test_answers_are_as_it_says(watched: Watched, document: Any, path: str) -> None:
    operation = document["paths"][path]["get"]
    answer = operation["responses"]["200"]["content"][JSON]["schema"]
    schema = answer | {"components": document["components"]}
    body = watched.get(path)
    OAS31Validator(schema).validate(body)
    assert body


def test_a_refusal_is_as_it_says(watched: Watched, document: Any) -> None:
    responses = document["paths"]["/api/pins"]["get"]["responses"]
    schema = responses["400"]["content"][JSON]["schema"]
    body = watched.get("/api/pins?limit=0", 400)
    OAS31Validator(schema | {"components": document["components"]}).validate(body)
    with pytest.raises(Exception, match="required"):
        OAS31Validator(schema | {"components": document["components"]}).validate({})


def test_what_is_not_there(watched: Watched) -> None:
    assert watched.get("/api/pin", 404) == {"error": "Not Found"}


def test_the_page_has_all_of_it_and_no_other_host(
    watched: Watched, document: Any
) -> None:
    answer = ask(f"{watched.url}/api/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r'(src|href|url)\W*[^"]*://', answer.text)
    assert "<script" not in answer.text
    for path, methods in document["paths"].items():
        assert all(f">{name.upper()} {path}</h2>" in answer.text for name in methods)
    for name, schema in document["components"]["schemas"].items():
        assert f'<h2 id="{name}">' in answer.text
        assert all(f">{prop}</th>" in answer.text for prop in schema["properties"])
    ids = re.findall(r'id="([^"]*)"', answer.text)
    links = set(re.findall(r'href="([^"]*)"', answer.text))
    assert "#Pin" in links
    static = {"/static/base.css", "/static/docs.css"}
    assert links == {"/", "/rules", "/openapi.json", *static} | (
        links & {f"#{name}" for name in ids}
    )
    for file in static:
        assert ask(f"{watched.url}{file}").status == 200
