"""Proxies that are measured."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.live.conftest import Serve
from tests.live.conftest import serve as serve
from tests.metrics.scrape import Measured, measured


class Measure(Protocol):
    def __call__(self, pool: int | None = 1, **settings: Any) -> Measured:
        """Measure a new proxy with at most pool database connections."""


@pytest.fixture
def measure(serve: Serve) -> Iterator[Measure]:
    with ExitStack() as stack:

        def start(pool: int | None = 1, **settings: Any) -> Measured:
            return stack.enter_context(measured(serve(pool, **settings)))

        yield start
