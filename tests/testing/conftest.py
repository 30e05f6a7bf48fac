"""Suites of pytest within a test, whose databases are real."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.cli.forks import Forks
from tests.harness import Postgres

Run = Callable[..., pytest.RunResult]
PLUGIN = "pinwatch.testing.plugin.hooks"
QUIET = ("-p", "no:cacheprovider")
ALL = ("-o", "asyncio_default_fixture_loop_scope=function")
"""Options of a run with every installed plugin."""
PRELOADED: Final = ("pytest", "psycopg", "pinwatch.testing.background")
TIMEOUT: Final = 120  # seconds until a run is killed


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Runs pytest in forks of a process that has imported it and the proxy."""
    with Forks("pytest", PRELOADED) as started:
        yield started


@pytest.fixture
def run(
    pytester: pytest.Pytester,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    forks: Forks,
) -> Run:
    """Runs pytest in a process of its own, with a proxy before the test's database.

    With no plugin but this one, and xdist for workers, unless every is true. If every
    or fresh is true, the process is not a fork: it has imported nothing before, and no
    frames of the fork are on its stack.
    """
    for name in ("BUILD_NUMBER", "CI", "GITHUB_ACTIONS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    target = postgres.endpoint(database).url()

    def run(
        *arguments: str, every: bool = False, fresh: bool = False, **files: str
    ) -> pytest.RunResult:
        if files:
            pytester.makepyfile(**files)
        if every:
            monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
            wanted = ALL
        else:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            workers = any(argument.startswith("-n") for argument in arguments)
            wanted = ("-p", PLUGIN, *(("-p", "xdist.plugin") if workers else ()))
        options = (*wanted, *QUIET, f"--pinwatch-target={target}", *arguments)
        if every or fresh:
            return pytester.runpytest_subprocess(*options)
        return run_in_fork(forks, options)

    return run


def run_in_fork(forks: Forks, arguments: tuple[str, ...]) -> pytest.RunResult:
    """Run pytest in a fork; what it prints is printed here, too."""
    began = time.perf_counter()
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    ended = forks.run(arguments, os.environ | {"PYTHONPATH": path}, timeout=TIMEOUT)
    out, errors = ended.stdout.decode(), ended.stderr.decode()
    print(out, errors, sep="\n")
    return pytest.RunResult(
        ended.returncode,
        out.splitlines(),
        errors.splitlines(),
        time.perf_counter() - began,
    )


def outcomes(result: pytest.RunResult, **expected: Any) -> None:
    """Check the outcomes; those that are not named must be 0."""
    result.assert_outcomes(**expected)
