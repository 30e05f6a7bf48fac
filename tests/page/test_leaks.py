"""Leaks on the live page."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from pinwatch.events import StateLeaked
from tests.leaked import LEAK
from tests.page.conftest import Open, Seen

MOST: Final = 200  # leaks that the page shows


def leaked(**changed: object) -> StateLeaked:
    """Return a leak of the present."""
    fields: dict[str, object] = {"at": datetime.now(UTC)}
    return replace(LEAK, **(fields | changed))  # type: ignore[arg-type]


def groups(page: Page) -> Locator:
    return page.locator("#leak-groups > li")


@pytest.fixture
def probing(seen: Seen) -> Iterator[Seen]:
    """The proxy with hidden_state on."""
    running = seen.clients.proxy
    settings = running.settings.model_copy(update={"hidden_state": "report"})
    running.run(running.proxy.reload(settings))
    yield seen
    running.run(running.proxy.reload(running.settings))


def test_a_function_that_leaks(probing: Seen, open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_text("No statement has left hidden state yet.")).to_be_visible()
    with probing() as client:
        client.query(
            "CREATE FUNCTION set_tenant(t text) RETURNS void LANGUAGE sql AS "
            "$$ SELECT set_config('app.tenant', t, false) $$"
        )
        client.query("SELECT set_tenant('42')")
    expect(groups(page).locator("h3")).to_have_text(
        "Left the setting app.tenant = '42'"
    )
    expect(groups(page).locator(".path")).to_have_text(
        "set_tenant() -> SELECT set_config('app.tenant', t, false)"
    )
    expect(page.locator("#no-leaks")).to_be_hidden()


def test_a_leak_names_what_stayed_and_the_way_out(seen: Seen, open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#leaks")).to_be_hidden()
    seen.observe(leaked(tags={"file": "app/db.py", "line": "30"}))
    group = groups(page)
    expect(group.get_by_role("heading")).to_have_text(
        "Left the setting app.tenant = '42'"
    )
    expect(group.locator(".source")).to_have_text("app/db.py:30")
    expect(group.locator(".sql")).to_have_text(LEAK.statement)
    expect(group.locator(".path")).to_have_text(LEAK.path)
    expect(group.locator(".advice p")).to_have_text(LEAK.advice)
    expect(page.locator("#headlines .text").first).to_have_text(
        "Hidden state was left 1 time in the last hour; the latest is the setting "
        "app.tenant (app.set_tenant())."
    )
    expect(page.locator("#groups > li")).to_have_count(0)


def test_leaks_of_one_statement_unfold(seen: Seen, open_page: Open) -> None:
    seen.observe(
        leaked(value="1", client=7),
        leaked(kind="channel", name="jobs", value="", path="", digest="SELECT f()"),
        leaked(value="2", client=8, reset=True),
    )
    page = open_page()
    expect(groups(page).locator("h3 .left")).to_have_text(
        ["the setting app.tenant = '2'", "a LISTEN on jobs"]
    )
    group = groups(page).first
    expect(group.locator(".count")).to_have_text("2 times")
    expect(group.locator(".facts").first).to_contain_text("the connection was reset")
    group.get_by_text("Show the 2 leaks").click()
    expect(group.locator(".singles li")).to_contain_text(
        ["the setting app.tenant = '2'", "the setting app.tenant = '1'"]
    )
    expect(group.locator(".singles a")).to_have_text(["8", "7"])
    group.locator(".singles a").last.click()
    session = page.get_by_role("dialog", name="Client 7")
    expect(session).to_contain_text("It has not pinned.")
    expect(session.locator(".singles li")).to_contain_text(
        ["the setting app.tenant = '1'"]
    )


def test_a_new_leak_joins_its_group(seen: Seen, open_page: Open) -> None:
    seen.observe(leaked(value="1"), leaked(digest="other", name="app.other"))
    page = open_page()
    expect(groups(page)).to_have_count(2)
    seen.observe(leaked(value="2"))
    expect(groups(page).first.locator(".left").first).to_have_text(
        "the setting app.tenant = '2'"
    )
    expect(groups(page)).to_have_count(2)


def test_what_a_leak_says_is_text(seen: Seen, open_page: Open) -> None:
    evil = "<img src=x onerror='window.bad=1'>"
    seen.observe(leaked(name=evil, value=evil, path=evil, statement=evil, user=evil))
    page = open_page()
    expect(groups(page).locator(".path")).to_have_text(evil)
    groups(page).get_by_text("Show the leak").click()
    expect(groups(page).locator(".who")).to_contain_text(evil)
    assert page.evaluate("window.bad") is None
    assert page.locator("main img").count() == 0


def test_older_leaks_are_in_the_api(seen: Seen, open_page: Open) -> None:
    """The page draws few, however many there are."""
    seen.observe(*(leaked(value=str(number)) for number in range(MOST)))
    page = open_page()
    count, older = groups(page).locator(".count"), page.locator("#older-leaks")
    expect(count).to_have_text(f"{MOST} times")
    expect(older).to_be_hidden()
    seen.observe(leaked())
    expect(older).to_be_visible()
    expect(count).to_have_text(f"{MOST} times")
