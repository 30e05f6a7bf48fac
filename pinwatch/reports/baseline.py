"""The files of reports and baselines.

Owns a baseline's JSON, sorted so that diffs are small. Does not know which fields an
entry has: that depends on what found the pins.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from pinwatch.errors import SettingError

VERSION: Final = 1
PRIVATE: Final = 0o600  # of reports, which have SQL with its constants
SHARED: Final = 0o666  # of baselines, which have digests only, and are committed

Entry = TypeVar("Entry")


def read_pins(file: Path, entry: Callable[..., Entry]) -> list[Entry]:
    """Read the entries of a baseline; raises SettingError."""
    try:
        document = json.loads(file.read_text("utf-8"))
        if document["version"] != VERSION:
            raise SettingError(
                f"The baseline {file} has version {document['version']}, but must "
                f"have version {VERSION}."
            )
        return [entry(**fields) for fields in document["pins"]]
    except OSError as error:
        raise SettingError(
            f"Cannot read the baseline {file}: {error.strerror}."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingError(
            f"{file} is not a baseline that pinwatch wrote: "
            f"{type(error).__name__}: {error}."
        ) from None


def write_pins(file: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write a baseline of these entries; raises SettingError."""
    write_json(file, {"version": VERSION, "pins": list(entries)}, SHARED)


def write_json(file: Path, document: dict[str, Any], mode: int = PRIVATE) -> None:
    """Replace the file as a whole, so that a full disk leaves the old one.

    A file that exists keeps its mode; a new one gets this mode, less the umask. Raises
    SettingError.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    new = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        created = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(created, "w", encoding="utf-8") as content:
            content.write(f"{text}\n")
        with suppress(FileNotFoundError):
            new.chmod(stat.S_IMODE(file.stat().st_mode))
        new.replace(file)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise SettingError(f"Cannot write {file}: {error.strerror}.") from None
