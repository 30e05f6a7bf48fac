"""Numbers and names in requests: what is out of range is a 400 with one sentence."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final
from urllib.parse import quote

import pytest

from pinwatch.config.model import Address
from pinwatch.observers.pin_history import History
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.stream import Feed
from tests.live.conftest import Serve
from tests.site import Answered, answering, ask

NOT_NUMBERS: Final = ("NaN", "Infinity", "-Infinity", "null", "true", '"1"', "[]", "{}")
HUGE: Final = ("100000000000000000000", "1" + "0" * 30, "1" + "0" * 5_000, "1e400")
WRONG: Final = {
    "every": ("0", "-1", "1.0", "1.5", "1e30", *NOT_NUMBERS, *HUGE),
    "connections": ("0", "-1", "1.0", "1.5", "1e30", *HUGE, "NaN", "true", '"1"'),
    "seconds": ("-1", "1e9", *NOT_NUMBERS, *HUGE),
    "lasting": ("0", "-1", "1e9", *HUGE, "NaN", "Infinity", "true", '"1"'),
    "outage": ("-1", "1e9", *NOT_NUMBERS, *HUGE),
}
"""JSON values by field; null is a value of those that may be left out."""

NAMES: Final = ("", "a/b", "/", ".", "..", "a b", "a\n", "ö", "a?b", "%2e", "x" * 65)


async def reload() -> list[str]:
    return []


@pytest.fixture
def url(serve: Serve) -> Iterator[str]:
    """The URL of a site with all routes of pinwatch up."""
    with ExitStack() as stack:
        clients = serve(1)
        proxy = clients.proxy.proxy
        history = History(proxy.clock)
        feed = Feed(history)
        routes = control_routes(proxy, reload)
        site = answering(clients.proxy, app(proxy, history, feed, *routes))
        yield stack.enter_context(site)


def add_fault(url: str, **fields: object) -> Answered:
    body = json.dumps({"kind": "refuse", **fields})
    return ask(f"{url}/api/faults", "POST", body)


def test_numbers_in_bodies(url: str) -> None:
    for field, values in WRONG.items():
        path = "failover" if field == "outage" else "faults"
        kind = "" if field == "outage" else '"kind": "latency", '
        for value in values:
            body = f'{{{kind}"{field}": {value}}}'
            answer = ask(f"{url}/api/{path}", "POST", body)
            assert answer.status == 400, body
            assert len(answer.json["error"]) < 200
    assert ask(f"{url}/api/faults").json == []


def test_the_largest_numbers_that_are_accepted(url: str) -> None:
    largest = {"every": 1_000_000, "connections": 1_000_000, "lasting": 31_536_000}
    answer = add_fault(url, name="largest", seconds=3_600, **largest)
    assert answer.status == 200
    assert ask(f"{url}/api/faults").json[0]["every"] == 1_000_000


@pytest.mark.parametrize("path", ["/api/pins", "/api/digests"])
def test_limits(url: str, path: str) -> None:
    wrong = ("0", "-1", "1.5", "1e3", "NaN", "Infinity", "", "0x10", "true", *HUGE)
    for value in wrong:
        answer = ask(f"{url}{path}?limit={value}")
        assert answer.status == 400, value
        assert len(answer.json["error"]) < 200
    assert ask(f"{url}{path}?limit=100000").json == []


def test_times(url: str) -> None:
    refused = ("NaN", "Infinity", "-1e400", "x", "2026-13-01", *HUGE)
    for value in refused:
        assert ask(f"{url}/api/pins?since={value}").status == 400, value
    accepted = ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "0")
    for value in accepted:
        assert ask(f"{url}/api/pins?since={value}").json == [], value


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_path_could_name(url: str, name: str) -> None:
    answer = add_fault(url, name=name)
    assert answer.status == 400
    assert answer.json["error"].startswith("name: ")


@pytest.mark.parametrize("name", ["a", "a.b", "A-1_b", "0", "x" * 64])
def test_a_fault_can_be_removed_by_its_name(url: str, name: str) -> None:
    assert add_fault(url, name=name).json["name"] == name
    assert ask(f"{url}/api/faults/{quote(name, safe='')}", "DELETE").status == 200
    assert ask(f"{url}/api/faults").json == []


@pytest.mark.parametrize("path", ["failover", "faults"])
def test_a_body_that_is_too_long(url: str, path: str) -> None:
    kind = '"kind": "pause", ' if path == "faults" else ""
    for size, status in ((64 * 1024 + 1, 413), (64 * 1024, 400)):
        body = f'{{{kind}"x": 1}}'.ljust(size)
        answer = ask(f"{url}/api/{path}", "POST", body)
        assert answer.status == status
        assert len(answer.json["error"]) < 200


@pytest.mark.parametrize(
    "body", ["[" * 10_000, '{"kind": "\\ud800"}', '"x"', "1", "null", "{,}", "\0"]
)
def test_a_body_that_is_no_object(url: str, body: str) -> None:
    for path in ("failover", "faults"):
        assert ask(f"{url}/api/{path}", "POST", body).status == 400


@pytest.mark.parametrize("path", ["failover", "faults"])
def test_a_client_that_leaves_in_the_middle_of_its_body(
    url: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(Address.parse(url.removeprefix("http://"))) as one:
        head = f"POST /api/{path} HTTP/1.1\r\nHost: localhost\r\n"
        one.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
    assert ask(f"{url}/healthz").status == 200
    assert caplog.text == ""


@pytest.mark.parametrize("path", ["%00", "a%00b", "x" * 1_000, "%2e%2e/app.py", "%ff"])
def test_a_file_that_is_not_there(url: str, path: str) -> None:
    assert ask(f"{url}/static/{path}").status == 404
