"""A real browser before a real proxy; every page that is opened must stay clean.

Browser and proxy are those of all tests of the folder. Each test has its own HTTP side
with an empty history, whose clocks it drives.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from pinwatch.web.guard import Guard
from tests.figures import FakeProxy, still_clock
from tests.harness import Postgres, Proxies, RunningProxy, eventually
from tests.live.clients import Clients
from tests.site import ANY_PORT
from tests.web.conftest import Watched, watched

CHROMIUM = shutil.which("chromium")


@dataclass(frozen=True, slots=True)
class Seen(Watched):
    """A proxy that the page looks at; its history has the figures of ``figures``."""

    figures: FakeProxy


class Open(Protocol):
    def __call__(self, path: str = "/", **context: object) -> Page:
        """The live page in a new context of the browser."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for this folder; no other loop can run in its thread."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def running(postgres: Postgres) -> Iterator[RunningProxy]:
    with ExitStack() as stack:
        database = stack.enter_context(postgres.new_database())
        yield Proxies(postgres, database, stack)(20)


@pytest.fixture
def seen(running: RunningProxy) -> Iterator[Seen]:
    """The proxy behind the guard, as in pinwatch up, and without connections."""
    proxy = running.proxy
    observers = proxy.observers
    figures = FakeProxy(still_clock(), datetime.now(UTC))
    setattr(proxy, "now", figures.now)  # noqa: B010 - a method is no attribute for mypy
    with ExitStack() as stack:
        site = watched(
            Clients(running, stack),
            stack,
            guard=lambda app: Guard(app, ANY_PORT, None),
            timeline=figures.timeline,
            history_clock=figures.clock,
        )
        yield Seen(site.clients, site.feed, site.timeline, site.url, figures)
    proxy.observers = observers
    del proxy.now
    eventually(lambda: not running.clients)
    running.run(proxy.release())


@pytest.fixture
def open_page(browser: Browser, seen: Seen) -> Iterator[Open]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def elsewhere(route: Route) -> None:
        complaints.append(f"asked {route.request.url}")
        route.abort()

    def opened(path: str = "/", **settings: object) -> Page:
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        context.route(lambda url: not url.startswith(seen.url), elsewhere)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{seen.url}{path}")
        if not path.startswith(("/api", "/rules")):
            page.get_by_text("Live.").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
