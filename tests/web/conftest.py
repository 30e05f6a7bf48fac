"""Proxies that are watched over HTTP, with real clients."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest
from starlette.types import ASGIApp

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.metrics.exporter import metrics_route
from pinwatch.metrics.tally import Tally
from pinwatch.observers.leak_history import Leaks
from pinwatch.observers.pin_history import History
from pinwatch.observers.timeline import Timeline
from pinwatch.web.app import app
from pinwatch.web.control import control_routes
from pinwatch.web.history import history_route
from pinwatch.web.leaks import leaks_route
from pinwatch.web.proxy import proxy_route
from pinwatch.web.stream import Feed
from pinwatch.web.summary import summary_route
from tests.harness import Postgres, Proxies
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.live.conftest import serve as serve
from tests.site import answering, ask
from tests.wireclient import WireClient


@dataclass(frozen=True, slots=True)
class Watched:
    """A proxy with its clients, and its HTTP side."""

    clients: Clients
    feed: Feed
    timeline: Timeline
    """It takes samples when the test calls ``tick``."""
    url: str

    def __call__(self, **parameters: str) -> WireClient:
        """A new client."""
        return self.clients(**parameters)

    def get(self, path: str, status: int = 200) -> Any:
        answer = ask(self.url + path)
        assert answer.status == status, answer.text
        return answer.json

    def in_the_loop(self, action: Callable[[], object]) -> None:
        """Done when this returns."""

        async def act() -> None:
            action()

        self.clients.proxy.run(act())

    def observe(self, *happened: events.Event) -> None:
        """Report events, as the proxy does."""

        def report() -> None:
            for event in happened:
                self.clients.proxy.proxy.observe(event)

        self.in_the_loop(report)

    def tick(self) -> None:
        """Take a sample for the history."""
        self.in_the_loop(lambda: self.timeline.tick(self.clients.proxy.proxy))


class Watch(Protocol):
    def __call__(
        self, pool: int | None = 1, heartbeat: float = 15, **settings: Any
    ) -> Watched:
        """Start a proxy with at most pool database connections, and its HTTP side."""


async def no_reload() -> list[str]:
    return []


def watched(
    clients: Clients,
    stack: ExitStack,
    heartbeat: float = 15,
    guard: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    timeline: Timeline | None = None,
    history_clock: Clock | None = None,
) -> Watched:
    proxy = clients.proxy.proxy
    tally, history = Tally(proxy.clock), History(history_clock or proxy.clock)
    leaks, timeline = Leaks(), timeline or Timeline(proxy.clock)
    proxy.observers += (tally, history, leaks, timeline)
    feed = Feed(history, heartbeat)
    more = (
        leaks_route(proxy, leaks),
        history_route(timeline),
        summary_route(proxy, history, leaks, timeline),
        proxy_route(proxy, tally),
        metrics_route(proxy, tally),
        *control_routes(proxy, no_reload),
    )
    answers = guard(app(proxy, history, feed, *more))
    url = stack.enter_context(answering(clients.proxy, answers))
    found = Watched(clients, feed, timeline, url)
    stack.callback(found.in_the_loop, feed.close)
    return found


@pytest.fixture
def watch(serve: Serve) -> Iterator[Watch]:
    with ExitStack() as stack:

        def start(
            pool: int | None = 1, heartbeat: float = 15, **settings: Any
        ) -> Watched:
            return watched(serve(pool, **settings), stack, heartbeat)

        yield start


class Place:
    """The path of a target's socket, which a test can remove."""

    def __init__(self, folder: Path, real: str) -> None:
        self.folder = folder
        self.link = folder / "link"
        self.real = real
        self.listening = socket.socket(socket.AF_UNIX)
        self.be_real()

    def be_real(self) -> None:
        self.be_gone()
        self.link.symlink_to(self.real)

    def be_gone(self) -> None:
        self.link.unlink(missing_ok=True)

    def be_silent(self) -> None:
        """Replace the socket by one that listens and never replies."""
        silent = self.folder / "silent"
        silent.mkdir()
        self.listening.bind(str(silent / ".s.PGSQL.5432"))
        self.listening.listen()
        self.be_gone()
        self.link.symlink_to(silent)


@pytest.fixture
def place(postgres: Postgres) -> Iterator[Place]:
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), postgres.server.host)
        yield place
        place.listening.close()


@pytest.fixture
def moving(postgres: Postgres, database: str, place: Place) -> Iterator[Watched]:
    """One whose target is at a place that can change."""
    server = replace(postgres.server, host=str(place.link))
    with ExitStack() as stack:
        proxies = Proxies(replace(postgres, server=server), database, stack)
        yield watched(Clients(proxies(2), stack), stack)
