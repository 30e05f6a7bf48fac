"""The files of baselines.

Does not know which fields an entry has: that depends on what found the pins.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from pinwatch.reports.documents import SHARED, read_json, write_json

VERSION: Final = 1

Entry = TypeVar("Entry")


def read_pins(file: Path, entry: Callable[..., Entry]) -> list[Entry]:
    """Read the entries of a baseline; raises SettingError."""
    return read_json(
        file,
        "baseline",
        VERSION,
        lambda document: [entry(**fields) for fields in document["pins"]],
    )


def write_pins(file: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write a baseline of these entries; raises SettingError."""
    write_json(file, {"version": VERSION, "pins": list(entries)}, SHARED)
