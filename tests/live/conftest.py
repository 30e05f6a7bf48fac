"""Proxies with their clients."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.harness import Proxies
from tests.live.clients import Clients
from tests.live.swapped import Swapped


class Serve(Protocol):
    def __call__(self, pool: int | None = 1, **settings: Any) -> Clients:
        """Of a new proxy with so many database connections."""


@pytest.fixture
def serve(proxy: Proxies) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(pool: int | None = 1, **settings: Any) -> Clients:
            return Clients(proxy(pool, **settings), stack)

        yield start


@pytest.fixture
def swapped(serve: Serve) -> Iterator[Swapped]:
    """The test has to see both of the server's processes."""
    session = Swapped(serve(2))
    yield session
    assert len(session.pids) == 2
