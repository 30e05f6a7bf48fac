"""The guard of the HTTP side, over real sockets."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Final

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pinwatch.config.model import Address
from pinwatch.web.guard import HEADERS, Guard
from pinwatch.web.health import healthz_route
from tests.harness import PATIENCE
from tests.site import ANY_PORT, Answered, alone, ask

TOKEN: Final = "gehört mir"
EVERYWHERE: Final = Address("0.0.0.0", 0)


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


async def broken(request: Request) -> PlainTextResponse:
    raise ZeroDivisionError


SITE: Final = Starlette(
    routes=[
        healthz_route(),
        Route("/", page, methods=["GET", "POST"]),
        Route("/api/pins", page, methods=["GET", "DELETE"]),
        Route("/broken", broken),
    ]
)


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    """The URL of one on a loopback address, without a token."""
    with alone(Guard(SITE, ANY_PORT, None), ANY_PORT) as url:
        yield url


@pytest.fixture(scope="module")
def public() -> Iterator[str]:
    """The URL of a guarded server on all addresses, with a token."""
    with alone(Guard(SITE, EVERYWHERE, SecretStr(TOKEN)), EVERYWHERE) as url:
        yield url.replace("0.0.0.0", "127.0.0.1")


def bearer(token: str) -> str:
    return f"Bearer {token.encode().decode('latin-1')}"


def raw(url: str, *headers: tuple[str, str], path: str = "/") -> int:
    """Return the status of GET with these headers and no other."""
    host, _, port = url.removeprefix("http://").partition(":")
    with closing(HTTPConnection(host, int(port), PATIENCE)) as connection:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response: HTTPResponse = connection.getresponse()
        response.read()
        return response.status


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "localhost.:9632",
        "localhost:",
        "127.0.0.1:9632",
        "127.1.2.3",
        "[::1]:9632",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
    ],
)
def test_a_name_of_this_machine(local: str, host: str) -> None:
    assert raw(local, ("Host", host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9632",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]",
        "[::1",
        "::1",
        "[::1]evil.example",
        "[::1%evil.example]",
        "[localhost]",
        "[127.0.0.1]",
        "",
        ".",
        ":80",
        "localhost..",
        "localhost:http",
        "localhost:99999",
        "localhost:-1",
        "localhost:80:80",
        "localhost, evil.example",
        "localhost evil.example",
        "evil.example localhost",
        "local\thost",
        "evil.example@localhost",
        "localhost@evil.example",
        "user:secret@127.0.0.1:9632",
        "localhost/evil.example",
        "localhost?evil.example",
        "localhost#evil.example",
        "localhost\\evil.example",
        "http://localhost",
        "%6cocalhost",
        "l\xf6calhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0127.0.0.1",
    ],
)
def test_a_name_that_may_be_another_site_s(local: str, host: str) -> None:
    assert raw(local, ("Host", host)) == 403


def test_two_host_headers(local: str) -> None:
    hosts = ("Host", "localhost"), ("Host", "evil.example")
    assert raw(local, *hosts) == raw(local, *reversed(hosts)) == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_host_that_ends_in_an_open_path_opens_no_other(
    public: str, path: str
) -> None:
    for host in (f"x{path}?", f"x{path}#", f"{path}?", f"x@y{path}?"):
        assert raw(public, ("Host", host)) == 401
        assert raw(public, ("Host", host), path="/api/pins") == 401
    with_token = "x/?token=geh%C3%B6rt+mir&"
    assert raw(public, ("Host", with_token), path="/api/pins") == 401


def test_any_name_where_the_token_is_needed(public: str) -> None:
    token = ("Authorization", bearer(TOKEN))
    assert raw(public, ("Host", "pinwatch:9632"), token) == 200
    assert raw(public, ("Host", "pinwatch:9632")) == 401


def test_without_the_token(public: str) -> None:
    for path in ("/", "/api/pins", "/broken", "/nothing", "/metrics", "/healthz/"):
        answer = ask(public + path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json["error"].startswith("The http_token is needed")


@pytest.mark.parametrize("path", ["/healthz", "/healthz?token=x"])
def test_what_stays_open(public: str, path: str) -> None:
    assert ask(public + path).status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (bearer(TOKEN), 200),
        (bearer(TOKEN).replace("Bearer", "bEARER"), 200),
        (bearer(TOKEN + "x"), 401),
        (bearer(TOKEN[:-1]), 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (bearer(TOKEN).replace("Bearer", "Basic"), 401),
        (bearer(TOKEN).replace("Bearer ", ""), 401),
    ],
)
def test_as_bearer(public: str, authorization: str, status: int) -> None:
    assert ask(public, Authorization=authorization).status == status


def handed_over(public: str) -> Answered:
    return ask(f"{public}/?token=geh%C3%B6rt+mir")


def test_as_a_cookie_that_the_token_is_changed_for(public: str) -> None:
    answer = handed_over(public)
    assert answer.status == 200
    assert 'content="0; url=/"' in answer.text
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=strict"}
    assert "mir" not in cookie
    assert ask(f"{public}/api/pins", Cookie=f"other=1; {cookie}").text == "page"
    assert ask(f"{public}/api/pins", Cookie=cookie[:-1]).status == 401
    assert ask(f"{public}/api/pins", Cookie="pinwatch_token=ö").status == 401
    assert ask(public, Authorization=f"Bearer {cookie.partition('=')[2]}").status == 401


@pytest.mark.parametrize("path", ["/?token=wrong", "/?token=", "/api/pins?token=geh"])
def test_what_is_not_changed(public: str, path: str) -> None:
    answer = ask(public + path)
    assert (answer.status, answer.headers.get("set-cookie")) == (401, None)


def test_a_token_opens_no_other_path(public: str) -> None:
    assert ask(f"{public}/api/pins?token=geh%C3%B6rt+mir").status == 401


def test_without_a_token_there_is_nothing_to_change(local: str) -> None:
    answer = ask(f"{local}/?token=anything")
    assert (answer.text, answer.headers.get("set-cookie")) == ("page", None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_sites_change_nothing(
    local: str, headers: dict[str, str], status: int
) -> None:
    assert ask(local, "POST", **headers).status == status
    assert ask(f"{local}/api/pins", "DELETE", **headers).status == status
    assert ask(local, **headers).status == 200


def test_the_origin_itself_may(local: str) -> None:
    assert ask(local, "POST", Origin=local).status == 200


def test_a_cookie_does_not_help_another_site(public: str) -> None:
    cookie = handed_over(public).headers["set-cookie"].partition(";")[0]
    assert ask(public, "POST", Cookie=cookie).status == 200
    answer = ask(public, "POST", Cookie=cookie, Origin="http://evil.example")
    assert answer.json == {"error": "Requests from other sites are not allowed."}


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/broken", "/?token=x"])
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_every_answer_has_the_headers(local: str, path: str, host: str) -> None:
    answer = ask(local + path, Host=host)
    headers = {name.lower(): value for name, value in HEADERS.items()}
    assert headers.items() <= answer.headers.items()


def test_those_of_a_refusal_too(public: str) -> None:
    for answer in (ask(public), handed_over(public)):
        assert answer.headers["content-security-policy"].startswith(
            "default-src 'self';"
        )
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
