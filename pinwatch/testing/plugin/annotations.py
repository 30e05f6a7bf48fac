"""Annotations of a pull request's lines, in the form that GitHub Actions reads.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pinwatch.pins.rule_pages import command
from pinwatch.testing.plugin.record import Outcome, Record

LEVELS: Final = {Outcome.FAILED: "error", Outcome.CONTESTED: "warning"}


def annotations(
    records: Iterable[Record], environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Yield one annotation per place; none outside of GitHub Actions."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    root = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
    yield from dict.fromkeys(
        _annotation(record, root) for record in records if record.outcome in LEVELS
    )


def _annotation(record: Record, root: Path) -> str:
    properties = {"title": f"RDS Proxy pins: {record.pin.rule}"}
    if record.pin.frame is not None and record.pin.frame.file:
        file = Path(record.pin.frame.file).absolute()
        inside = file.relative_to(root) if file.is_relative_to(root) else file
        properties["file"] = inside.as_posix()
        if record.pin.frame.line:
            properties["line"] = str(record.pin.frame.line)
    listed = ",".join(f"{name}={_escaped(value)}" for name, value in properties.items())
    text = (
        f"{record.pin.statement}\nFix: {record.pin.advice}\n"
        f"More: {command(record.pin.rule)}\nTest: {record.test}"
    )
    return f"::{LEVELS[record.outcome]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
