"""The precedence of options, variables and the TOML file over the infrastructure.

Decides only by names; pinwatch.config.load reads and checks the values.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pinwatch.config.load import variable

Table = dict[str, Any]


class Beneath(NamedTuple):
    """The settings that apply, and for each other one the source that wins."""

    settings: Table
    winners: dict[str, str]


def beneath(
    found: Mapping[str, Any], options: Mapping[str, Any], file: Path | None
) -> Beneath:
    """Return the settings of the infrastructure that no other source has."""
    in_file = {} if file is None else _table(file)
    variables = {name.upper(): name for name, text in os.environ.items() if text}
    winners: dict[str, str] = {}

    def left(table: Mapping[str, Any], prefix: str, others: Any) -> Table:
        kept: Table = {}
        for key, value in table.items():
            name = prefix + key
            in_environment = variable(name)
            if name in options:
                winners[name] = f"--{name.replace('_', '-')}"
            elif in_environment in variables:
                winners[name] = variables[in_environment]
            elif isinstance(value, dict):
                kept[key] = left(value, f"{name}.", _inner(others, key))
            elif key in others:
                winners[name] = str(file)
            else:
                kept[key] = value
        return kept

    return Beneath(left(found, "", in_file), winners)


def _inner(table: Table, key: str) -> Table:
    inner = table.get(key)
    return inner if isinstance(inner, dict) else {}


def _table(file: Path) -> Table:
    """Return the file's table, empty if it cannot be read.

    pinwatch.config.load reports the error.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
