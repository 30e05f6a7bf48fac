"""/api/release: idle database connections are closed on request."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from pinwatch.observers.pin_history import History
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.operation import JSON
from pinwatch.web.stream import Feed
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.site import answering, ask
from tests.wireclient import WireClient


class Site:
    """The HTTP side of a proxy, with what changes it."""

    def __init__(self, clients: Clients, url: str) -> None:
        self.clients = clients
        self.url = url

    def release(self, body: Any = None, status: int = 200) -> Any:
        sent = "" if body is None else json.dumps(body)
        answer = ask(f"{self.url}/api/release", method="POST", body=sent)
        assert answer.status == status, answer.text
        return answer.json

    def use(self, database: str) -> None:
        endpoint = self.clients.proxy.endpoint(database=database)
        with WireClient.login(endpoint) as client:
            client.query("SELECT 1")
            client.leave()


async def reload() -> list[str]:
    return []


@pytest.fixture
def site(serve: Serve) -> Iterator[Site]:
    clients = serve(5)
    proxy = clients.proxy.proxy
    history = History(proxy.clock)
    answers = app(proxy, history, Feed(history), *control_routes(proxy, reload))
    with ExitStack() as stack:
        yield Site(clients, stack.enter_context(answering(clients.proxy, answers)))


def test_of_one_database_and_of_all(site: Site, database: str) -> None:
    site.use(database)
    site.use("postgres")
    assert site.release({"database": "postgres"}) == {"closed": 1}
    assert site.release({"database": "postgres"}) == {"closed": 0}
    assert site.release({"database": None}) == {"closed": 1}
    assert site.release() == {"closed": 0}
    site.use(database)


def test_connections_in_use_stay(site: Site) -> None:
    client = site.clients()
    client.query("BEGIN")
    assert site.release() == {"closed": 0}
    assert client.query("COMMIT").errors == []
    assert site.release() == {"closed": 1}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"database": "nowhere"}, 404),
        ({"database": ""}, 404),
        ({"database": "a\0b"}, 404),
        ({"database": 5}, 400),
        ({"databases": "postgres"}, 400),
        ([], 400),
    ],
)
def test_wrong_requests(site: Site, body: Any, status: int) -> None:
    assert site.release(body, status)["error"].endswith(".")


def test_an_unknown_database_is_named(site: Site, database: str) -> None:
    assert site.release({"database": "nowhere"}, 404)["error"] == (
        f"No client has connected to a database nowhere; known databases: {database}."
    )


def test_it_is_described(site: Site) -> None:
    document = ask(f"{site.url}/openapi.json").json
    validate(document)
    operation = document["paths"]["/api/release"]["post"]
    assert set(operation["responses"]) == {"200", "400", "404", "413"}
    schema = operation["responses"]["200"]["content"][JSON]["schema"]
    schema |= {"components": document["components"]}
    OAS31Validator(schema).validate(site.release())
