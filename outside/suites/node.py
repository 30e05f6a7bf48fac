"""Run a suite with Node.js."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from outside import commands, outcomes, workshop
from outside.commands import Broken
from outside.outcomes import Outcomes

TIMEOUT: Final = 900
"""Seconds that a run may take."""


def program() -> str:
    """Return the path of Node.js. Raises Skipped if it is not installed."""
    return workshop.program("node", "apt-get install nodejs npm")


def mocha(
    modules: Path, *, tests: Path, folder: Path, environment: Mapping[str, str]
) -> Outcomes:
    """Run Mocha in the folder ``tests``; return the outcomes by its name and theirs.

    Raises Broken after the timeout, or if Mocha itself failed.
    """
    report = folder / f"{tests.name}.xml"
    log = folder / f"{tests.name}.log"
    reporter = ("--reporter=xunit", f"--reporter-option=output={report}")
    status = commands.run(
        [program(), modules / "mocha" / "bin" / "mocha.js", "--exit", *reporter],
        log=log,
        timeout=TIMEOUT,
        folder=tests,
        environment={**environment, "NODE_PATH": str(modules)},
    )
    if status is None or not report.exists():
        raise Broken(f"Mocha did not end: {commands.tail(log)}")
    found = outcomes.junit(report)
    return {f"{tests.name}::{name}": outcome for name, outcome in found.items()}
