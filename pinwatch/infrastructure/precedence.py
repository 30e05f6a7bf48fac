"""What wins over the infrastructure: an option, a variable, the TOML file.

Owns only which settings those have; pinwatch.config.load reads and checks them.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pinwatch.config.load import variable

Table = dict[str, Any]


class Beneath(NamedTuple):
    """``settings`` are those that nothing wins over; ``winners`` say what does."""

    settings: Table
    winners: dict[str, str]


def beneath(
    found: Mapping[str, Any], options: Mapping[str, Any], file: Path | None
) -> Beneath:
    """What is left of the settings found, and by name who has the others."""
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
    """As nothing where it cannot be read: pinwatch.config.load says why."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
