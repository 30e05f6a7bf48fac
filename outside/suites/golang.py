"""Run a suite with ``go test -json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.commands import Broken
from outside.outcomes import Outcomes
from outside.workshop import program

TIMEOUT: Final = 900
"""Seconds that the tests of a package may take."""

REMEDY: Final = "install Go"


def run(
    arguments: Sequence[str],
    *,
    tests: Path,
    folder: Path,
    environment: Mapping[str, str],
    timeout: int = TIMEOUT,
) -> Outcomes:
    """Run the tests of packages one package after another; return the outcomes.

    Raises Broken if no test ran, for example because the compilation failed.
    """
    log = folder / "go-test.json"
    options = ["-json", "-count=1", "-p=1", f"-timeout={timeout}s"]
    commands.run(
        [program("go", REMEDY), "test", *options, *arguments],
        log=log,
        timeout=timeout * 2,
        folder=tests,
        environment=environment,
    )
    found = outcomes.go(log.read_text(errors="replace").splitlines())
    if not found:
        raise Broken(f"go test ran no test: {commands.tail(log)}")
    return found


def compile_tests(tests: Path, packages: Sequence[str], log: Path) -> None:
    """Compile the tests, which downloads the modules that they need.

    Raises Broken if they do not compile.
    """
    command = [program("go", REMEDY), "test", "-run=^$", *packages]
    commands.must(command, log=log, folder=tests)
