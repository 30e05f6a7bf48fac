"""Annotations of a pull request's lines, in the form that GitHub Actions reads.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pinwatch.reports.result import Level, Result

COMMANDS: Final = {Level.ERROR: "error", Level.WARNING: "warning"}


def annotations(
    results: Iterable[Result], environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Yield one annotation per place; none outside of GitHub Actions."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    root = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
    yield from dict.fromkeys(
        _annotation(result, root) for result in results if result.level in COMMANDS
    )


def _annotation(result: Result, root: Path) -> str:
    properties = {"title": f"RDS Proxy pins: {result.rule}"}
    place = result.place
    if place is not None and place.file:
        file = Path(place.file).absolute()
        inside = file.relative_to(root) if file.is_relative_to(root) else file
        properties["file"] = inside.as_posix()
        if place.line:
            properties["line"] = str(place.line)
    listed = ",".join(f"{name}={_escaped(value)}" for name, value in properties.items())
    return f"::{COMMANDS[result.level]} {listed}::{_data(_text(result))}"


def _text(result: Result) -> str:
    text = f"{result.statement}\nFix: {result.advice}"
    return f"{text}\nTest: {result.test}" if result.test else text


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
