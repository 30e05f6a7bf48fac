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


def require_texts(entry: object, *names: str) -> None:
    """Raise TypeError unless these fields of an entry are texts."""
    for name in names:
        value = getattr(entry, name)
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a text, not {value!r}")


def write_pins(file: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write a baseline of these entries; raises SettingError."""
    write_json(file, {"version": VERSION, "pins": list(entries)}, SHARED)
