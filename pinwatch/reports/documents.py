"""JSON files of reports, baselines and watchlists, each with a version."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from pinwatch.errors import SettingError

PRIVATE: Final = 0o600  # of reports, which have SQL with its constants
SHARED: Final = 0o666  # of files with digests only, which are committed

T = TypeVar("T")


def read_json(
    file: Path, kind: str, version: int, build: Callable[[Mapping[str, Any]], T]
) -> T:
    """Return the value that ``build`` makes of the document.

    ``kind`` names the file in errors, as in "baseline". Raises SettingError if the file
    cannot be read, has another version, or if ``build`` raises ValueError, KeyError,
    TypeError or OverflowError.
    """
    try:
        text = file.read_text("utf-8")
        document = json.loads(text, parse_constant=_refuse_constant)
        if document["version"] != version:
            raise SettingError(
                f"The {kind} {file} has version {document['version']}, but must "
                f"have version {version}."
            )
        return build(document)
    except OSError as error:
        raise SettingError(
            f"Cannot read the {kind} {file}: {error.strerror}."
        ) from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SettingError(
            f"{file} is not a {kind} that pinwatch wrote: "
            f"{type(error).__name__}: {error}."
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"{name} is not a number of JSON")


def write_json(file: Path, document: dict[str, Any], mode: int = PRIVATE) -> None:
    """Replace the file as a whole, so that a full disk leaves the old one.

    A file that exists keeps its mode; a new one gets this mode, less the umask. Raises
    SettingError.
    """
    if not file.name:
        raise SettingError(f"Cannot write {file}: it is not the name of a file.")
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
