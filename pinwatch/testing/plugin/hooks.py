"""The hooks and fixtures that pytest loads.

A run that has neither ``--pinwatch``, nor ``--pinwatch-watchlist``, nor a test with
``pinwatch_proxy`` imports nothing of the proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pinwatch.testing.plugin import options

if TYPE_CHECKING:  # imported in functions, so that other runs stay light
    from pinwatch.testing.background import Proxy
    from pinwatch.testing.found import Leak, Pin


class Recorded:
    """The pins and leaks of one test, for its assertions.

    Reading or clearing them does not change whether they fail the test.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.clear()

    def clear(self) -> None:
        """Drop what was found so far; only ``allow`` keeps it from failing the test."""
        self._pins = len(self.proxy.pins)
        self._leaks = len(self.proxy.leaks)

    @property
    def pins(self) -> list[Pin]:
        """The pins since the test began or ``clear`` was called, in order."""
        return self.proxy.pins[self._pins :]

    @property
    def leaks(self) -> list[Leak]:
        """The leaks since then, in order."""
        return self.proxy.leaks[self._leaks :]

    @property
    def rules(self) -> list[str]:
        """The rules of the pins, in order."""
        return [pin.rule for pin in self.pins]


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", options.MARKER)
    chosen = options.Options.of(config)
    if chosen.judges:
        from pinwatch.testing.plugin.watch import Watch

        config.pluginmanager.register(Watch(config, chosen), "pinwatch-watch")


@pytest.fixture(scope="session")
def pinwatch_target(pytestconfig: pytest.Config) -> str | None:
    """URL of the PostgreSQL behind the proxy; override this fixture to change it."""
    return options.Options.of(pytestconfig).target


@pytest.fixture(scope="session")
def pinwatch_settings() -> dict[str, Any]:
    """Settings of the proxy, as max_connections; override this fixture to set them."""
    return {}


@pytest.fixture(scope="session")
def pinwatch_proxy(
    pytestconfig: pytest.Config,
    pinwatch_target: str | None,
    pinwatch_settings: dict[str, Any],
) -> Iterator[Proxy]:
    """A running pinwatch.Proxy: .url(driver), .dsn, .pins, .leaks, .allow()."""
    from pinwatch.testing.background import Proxy

    chosen = options.Options.of(pytestconfig)
    settings = {"hidden_state": chosen.hidden_state} | pinwatch_settings
    with _started(Proxy(pinwatch_target, swap=chosen.swap, **settings)) as proxy:
        watch = pytestconfig.pluginmanager.get_plugin("pinwatch-watch")
        if watch is not None:
            watch.begin(proxy)
        yield proxy


@contextmanager
def _started(proxy: Proxy) -> Iterator[Proxy]:
    """Start the proxy; a failure is reported as one sentence, without a traceback."""
    from pinwatch.errors import PinwatchError

    wrong = ""
    with ExitStack() as stack:
        try:
            stack.enter_context(proxy)
        except PinwatchError as error:
            wrong = str(error)
        if wrong:
            pytest.fail(wrong, pytrace=False)
        yield proxy


@pytest.fixture
def pinwatch_recorder(pinwatch_proxy: Proxy) -> Recorded:
    """The pins and leaks of this test: .pins, .rules, .leaks and .clear().

    With --pinwatch, a test that expects a pin must also allow it.
    """
    return Recorded(pinwatch_proxy)
