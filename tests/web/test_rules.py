"""The pages of the rules over HTTP."""

import re
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from pinwatch.pins.advice import by_rule
from pinwatch.pins.names import NAMES
from pinwatch.pins.rules import CODES
from pinwatch.web.guard import Guard
from pinwatch.web.rules import rules_routes
from tests.site import ANY_PORT, alone, ask
from tests.web.conftest import Watch


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the pages, without a proxy."""
    with alone(Starlette(routes=rules_routes()), ANY_PORT) as url:
        yield url


@pytest.mark.parametrize("rule", CODES)
def test_each_rule_has_a_page(url: str, rule: str) -> None:
    answered = ask(f"{url}/rules/{rule}")
    assert answered.status == 200
    assert answered.headers["content-type"].startswith("text/html")
    assert f'<h1 id="{rule}">{rule}</h1>' in answered.text
    assert answered.text.count("<strong>Best:</strong>") == len(by_rule()[rule])
    assert "**" not in re.sub("(?s)<(pre|code).*?</\\1>", "", answered.text)


@pytest.mark.parametrize("rule", CODES)
def test_the_contents_link_to_the_sections(url: str, rule: str) -> None:
    shown = ask(f"{url}/rules/{rule}").text
    links, headings = (
        re.findall('href="#(.*?)"', shown),
        re.findall('id="(.*?)"', shown),
    )
    assert len(links) == len(by_rule()[rule])
    assert set(links) <= set(headings)
    assert len(set(headings)) == len(headings)


def test_the_list_links_to_each_page(url: str) -> None:
    listed = re.findall('href="/rules/(.*?)"', ask(f"{url}/rules").text)
    assert listed == [*NAMES]


def test_hidden_state_has_a_page(url: str) -> None:
    shown = ask(f"{url}/rules/hidden_state").text
    assert '<h1 id="hidden_state">hidden_state</h1>' in shown
    assert "<td><code>pg_advisory_xact_lock</code></td>" in shown


def test_sql_of_the_catalogue_is_no_html(url: str) -> None:
    assert "<%=" not in ask(f"{url}/rules/advisory_lock").text


def test_the_styles_define_the_colours_that_they_use(watch: Watch) -> None:
    site = watch().url
    links = re.findall('href="(/static/.*?[.]css)"', ask(f"{site}/rules/set").text)
    styles = "".join(ask(f"{site}{link}").text for link in links)
    used = set(re.findall(r"var\(--([\w-]+)\)", styles))
    assert used
    assert used <= set(re.findall(r"--([\w-]+):", styles))


def test_the_other_pages_link_to_the_list(watch: Watch) -> None:
    site = watch().url
    assert 'href="/rules"' in ask(f"{site}/").text
    assert 'href="/rules"' in ask(f"{site}/api/docs").text


def test_an_unknown_rule_is_not_found(watch: Watch) -> None:
    watched = watch()
    answer = watched.get("/rules/select", 404)
    assert answer["error"].startswith("No rule has that name: there is set, reset,")
    assert ask(f"{watched.url}/rules/set").status == 200


def test_the_pages_need_the_token() -> None:
    site = Guard(Starlette(routes=rules_routes()), ANY_PORT, SecretStr("secret"))
    with alone(site, ANY_PORT) as url:
        assert ask(f"{url}/rules/set").status == 401
