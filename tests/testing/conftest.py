"""Suites of pytest within a test, whose databases are real."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import Postgres

Run = Callable[..., pytest.RunResult]
PLUGIN = "pinwatch.testing.plugin.hooks"
QUIET = ("-p", "no:cacheprovider")
ALL = ("-o", "asyncio_default_fixture_loop_scope=function")
"""Options of a run with every installed plugin."""


@pytest.fixture
def run(
    pytester: pytest.Pytester,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs pytest in a process of its own, with a proxy before the test's database.

    With no plugin but this one, and xdist for workers, unless every is true.
    """
    for name in ("BUILD_NUMBER", "CI", "GITHUB_ACTIONS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    target = postgres.endpoint(database).url()

    def run(*arguments: str, every: bool = False, **files: str) -> pytest.RunResult:
        if files:
            pytester.makepyfile(**files)
        if every:
            monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
            wanted = ALL
        else:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            workers = any(argument.startswith("-n") for argument in arguments)
            wanted = ("-p", PLUGIN, *(("-p", "xdist.plugin") if workers else ()))
        return pytester.runpytest_subprocess(
            *wanted, *QUIET, f"--pinwatch-target={target}", *arguments
        )

    return run


def outcomes(result: pytest.RunResult, **expected: Any) -> None:
    """Check the outcomes; those that are not named must be 0."""
    result.assert_outcomes(**expected)
