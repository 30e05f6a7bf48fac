"""Run a suite with pytest, in an environment of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.commands import Broken
from outside.outcomes import Outcomes

REQUIREMENTS: Final = ("pytest==9.2.0", "pytest-timeout==2.4.0", "pytest-xdist==3.8.0")

TEST_TIMEOUT: Final = 60
"""Seconds that one test may take."""

TIMEOUT: Final = 1800
"""Seconds that a run may take."""

_RAN: Final = (0, 1)
"""Exit statuses of pytest after a complete run: tests passed, or some failed."""


def run(
    python: Path,
    arguments: Sequence[str],
    *,
    tests: Path,
    folder: Path,
    environment: Mapping[str, str],
    timeout: float = TIMEOUT,
    test_timeout: float = TEST_TIMEOUT,
    settings: Path | None = None,
    ends_hung: bool = False,
) -> Outcomes:
    """Run pytest in the folder ``tests``; return the outcomes.

    ``settings`` is the suite's pytest configuration, if it has one. ``ends_hung`` ends
    the process of a test that takes too long, in place of an exception, for suites
    that catch it or wait again. The log and the JUnit file go into ``folder``. Raises
    Broken after the timeout, or if pytest itself failed.
    """
    report = folder / "junit.xml"
    log = folder / "pytest.log"
    if settings is None:
        settings = folder / "pytest.ini"
        settings.write_text("[pytest]\n")
    options: list[str | Path] = [
        *("-c", settings, f"--rootdir={tests}"),
        *("-o", "addopts=", "-o", "junit_family=xunit1", "-p", "no:cacheprovider"),
        *("--continue-on-collection-errors", f"--timeout={test_timeout}"),
        *(("-n1", "--timeout-method=thread") if ends_hung else ()),
        *("-q", "-rfEs", "--tb=short", f"--junitxml={report}"),
    ]
    status = commands.run(
        [python, "-m", "pytest", *options, *arguments],
        log=log,
        timeout=timeout,
        folder=tests,
        environment=environment,
    )
    if status is None:
        raise Broken(f"pytest did not end within {timeout:.0f} s: see {log}")
    if status not in _RAN or not report.exists():
        raise Broken(f"pytest: exit status {status}: {commands.tail(log)}")
    return outcomes.junit(report)


def copy(source: Path, destination: Path, names: Sequence[str]) -> None:
    """Copy files and folders out of a source tree."""
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, destination / name)
        else:
            shutil.copy(source / name, destination)
