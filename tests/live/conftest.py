"""Fixtures that start proxies and connect clients to them."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.harness import Proxies
from tests.live.clients import Clients
from tests.live.swapped import Swapped


class Serve(Protocol):
    def __call__(self, pool: int | None = 1, **settings: Any) -> Clients:
        """Start a proxy with at most pool database connections; return its clients."""


@pytest.fixture
def serve(proxy: Proxies) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(pool: int | None = 1, **settings: Any) -> Clients:
            return Clients(proxy(pool, **settings), stack)

        yield start


@pytest.fixture
def swapped(serve: Serve) -> Iterator[Swapped]:
    """A session on two database connections; the test must use both."""
    session = Swapped(serve(2))
    yield session
    assert len(session.pids) == 2
