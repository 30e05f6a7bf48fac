"""/api/leaks, of leaks that a proxy finds or reports."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
import pytest

from pinwatch.web.operation import SLICE
from tests.leaked import LEAK
from tests.site import ask
from tests.web.conftest import Watch, Watched


def leaks(watched: Watched, **query: object) -> list[Any]:
    found: list[Any] = watched.get(f"/api/leaks?{urlencode(query)}")
    return found


def names(watched: Watched, **query: object) -> list[str]:
    return [leak["name"] for leak in leaks(watched, **query)]


LEAKING: Final = """
CREATE FUNCTION set_tenant(tenant text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('app.tenant', tenant, false); END $$
"""


@pytest.fixture
def watched(watch: Watch) -> Watched:
    return watch(1)


def test_a_leak_has_all_that_its_event_has(watched: Watched) -> None:
    tags = {"file": "app/db.py", "line": "30"}
    watched.observe(replace(LEAK, tags=tags))
    assert leaks(watched) == [
        {
            "id": 1,
            "state": "the setting app.tenant = '42'",
            "source": "app/db.py:30",
            "at": "2026-01-02T03:04:05.678900Z",
            "client": 1,
            "connection": 2,
            "number": 3,
            "kind": "setting",
            "name": "app.tenant",
            "value": "42",
            "function": "app.set_tenant()",
            "path": LEAK.path,
            "digest": "SELECT app.login($1)",
            "sql": "SELECT app.login('42')",
            "statement": "SELECT app.login('42')",
            "user": "postgres",
            "database": "postgres",
            "application_name": "",
            "tags": tags,
            "advice": "Because.",
            "reset": False,
        }
    ]


def test_a_function_that_leaks(
    watch: Watch, direct: psycopg.Connection[Any], database: str
) -> None:
    direct.execute(LEAKING)
    watched = watch(1, hidden_state="report")
    client = watched(application_name="shop")
    client.query("SELECT set_tenant('42') /*route='home'*/")
    (leak,) = leaks(watched)
    assert leak == leak | {
        "kind": "setting",
        "name": "app.tenant",
        "value": "42",
        "function": "set_tenant()",
        "statement": "SELECT set_tenant('42') /*route='home'*/",
        "digest": "select set_tenant($1) /*route='home'*/",
        "user": "postgres",
        "database": database,
        "application_name": "shop",
        "source": "home",
        "reset": False,
    }
    assert leak["path"].startswith("set_tenant() -> ")
    counted = 'pinwatch_hidden_state_total{kind="setting"} 1.0\n'
    assert counted in ask(f"{watched.url}/metrics").text
    assert watched.get("/api/proxy")["hidden_state"] == "report"


def test_a_leak_is_no_pin(watched: Watched) -> None:
    watched.observe(LEAK)
    assert watched.get("/api/pins") == watched.get("/api/digests") == []


def test_the_newest_are_first_and_can_be_limited(watched: Watched) -> None:
    watched.observe(*(replace(LEAK, name=name) for name in ("a", "b", "c")))
    assert names(watched) == ["c", "b", "a"]
    assert names(watched, limit=2) == ["c", "b"]


def test_filters(watched: Watched) -> None:
    later = LEAK.at + timedelta(seconds=1)
    watched.observe(
        LEAK,
        replace(LEAK, at=later, kind="channel", name="jobs", user="ann", client=7),
        replace(LEAK, at=later, name="app.user", application_name="shop"),
    )
    assert names(watched, kind="setting") == ["app.user", "app.tenant"]
    assert names(watched, kind="role") == []
    assert names(watched, name="jobs") == ["jobs"]
    assert names(watched, user="ann", database="postgres") == ["jobs"]
    assert names(watched, user="an") == []
    assert names(watched, user="AN", partial="true") == ["jobs"]
    assert names(watched, database="shop") == []
    assert names(watched, application="shop") == ["app.user"]
    assert names(watched, client=7) == ["jobs"]
    assert names(watched, since=later.isoformat()) == ["app.user", "jobs"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "limit is '0', but must be greater than or equal to 1."),
        ("kind=settings", "kind is 'settings', but must be one of setting, role, "),
        ("rule=set", "rule is not a parameter: there is limit, user, database, "),
    ],
)
def test_a_wrong_parameter(watched: Watched, query: str, sentence: str) -> None:
    answer = watched.get(f"/api/leaks?{query}", 400)
    assert answer["error"].startswith(sentence)
    assert answer["error"].endswith(".")


def test_more_than_one_slice(watched: Watched) -> None:
    watched.observe(*(LEAK for _ in range(SLICE + 1)))
    assert [leak["id"] for leak in leaks(watched)] == list(range(SLICE + 1, 0, -1))


def test_no_leaks(watched: Watched) -> None:
    assert leaks(watched) == []
