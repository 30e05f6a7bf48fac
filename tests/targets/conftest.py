from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.harness import Postgres, RunningProxy, proxy_settings
from tests.pair import Pair, streaming_pair
from tests.targets.leaking import SAFE


class Before:
    """Starts proxies for a pair of servers."""

    def __init__(self, pair: Pair, stack: ExitStack) -> None:
        self.pair = pair
        self.stack = stack

    def __call__(self, **settings: Any) -> RunningProxy:
        chosen = proxy_settings(**{"targets": self.pair.targets} | settings)
        proxy = RunningProxy(chosen, self.pair.primary.postgres, "postgres")
        return self.stack.enter_context(proxy)


@pytest.fixture(scope="session")
def started_pair() -> Iterator[Pair]:
    with streaming_pair() as pair:
        yield pair


@pytest.fixture
def pair(started_pair: Pair) -> Pair:
    """A primary and its replica, both running."""
    if not (started_pair.replica.data / "postmaster.pid").exists():
        started_pair.rejoin()
    return started_pair


@pytest.fixture
def before(pair: Pair) -> Iterator[Before]:
    with ExitStack() as stack:
        yield Before(pair, stack)


@pytest.fixture(scope="module")
def guest(postgres: Postgres) -> Iterator[None]:
    """The role guest, which can log in."""
    with postgres.connect() as direct:
        direct.execute("CREATE ROLE guest LOGIN")
        yield
        direct.execute("DROP ROLE guest")


@pytest.fixture
def schema(direct: psycopg.Connection[Any]) -> None:
    """The functions of SAFE, in the database."""
    direct.execute(SAFE.encode())


@pytest.fixture
def no_probe_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test with a probe that fails: it would find no leaks."""
    yield
    assert "could not be probed" not in caplog.text
