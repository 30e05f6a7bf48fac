"""A real browser before a real proxy; every page that is opened must stay clean."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from pinwatch.web.guard import Guard
from tests.harness import Postgres, Proxies
from tests.live.clients import Clients
from tests.site import ANY_PORT
from tests.web.conftest import Watched, watched

CHROMIUM = shutil.which("chromium")


class Open(Protocol):
    def __call__(self, **context: object) -> Page:
        """The live page in a new context of the browser."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module; no other loop can run in its thread."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def seen(postgres: Postgres, database: str) -> Iterator[Watched]:
    """A proxy that the page looks at, behind the guard as in pinwatch up."""
    with ExitStack() as stack:
        clients = Clients(Proxies(postgres, database, stack)(20), stack)
        yield watched(clients, stack, guard=lambda app: Guard(app, ANY_PORT, None))


@pytest.fixture
def open_page(browser: Browser, seen: Watched) -> Iterator[Open]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def elsewhere(route: Route) -> None:
        complaints.append(f"asked {route.request.url}")
        route.abort()

    def opened(**settings: object) -> Page:
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        context.route(lambda url: not url.startswith(seen.url), elsewhere)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(seen.url)
        page.get_by_text("Live.").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
