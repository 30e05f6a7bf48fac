"""The formats of files from production, each recognised by how a file begins."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from pinwatch.production import (
    cloudwatch,
    event_log,
    postgres_log,
    proxy_log,
    statements,
)
from pinwatch.production.files import InputError, ignore, opened
from pinwatch.production.records import Record
from pinwatch.text import STANDARD_INPUT

POSTGRES_TIME: Final = re.compile(
    rb'"?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]* (?:[A-Z]+|[+-][\d:]+)"?,'
)
JSON: Final = re.compile(rb'\s*(?:\{|\[\s*["\[{\]])')
UNKNOWN: Final = (
    "The format is unknown. pinwatch report reads logs of RDS Proxy (text, or JSON or "
    "CSV of CloudWatch), logs of PostgreSQL, and pg_stat_statements as CSV or JSON."
)


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files. read takes a file's name and its stream."""

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[str, BinaryIO], Iterator[Record]]


def read_file(name: str, progress: Callable[[int], None] = ignore) -> Iterator[Record]:
    """Yield the records of a file. Raises InputError at the first fault in it.

    progress receives the number of bytes of each part that is read.
    """
    with opened(name, progress) as file:
        if not file.beginning.strip():
            raise InputError(name, "The file is empty.")
        found = format_of(file.beginning)
        if found is None:
            raise InputError(name, UNKNOWN)
        yield from found.read(name, file.stream)


def oldest_first(names: Iterable[str]) -> list[str]:
    """Return the files, each once, by the time of their first record.

    Files without a time come last. All keep their order if one can be read only once.
    """
    names = list({os.path.realpath(name): name for name in names}.values())
    if len(names) < 2 or any(map(_is_read_once, names)):
        return names
    return sorted(names, key=_first_time)


def _is_read_once(name: str) -> bool:
    return name == STANDARD_INPUT or Path(name).is_fifo()


def _first_time(name: str) -> datetime:
    try:
        for record in read_file(name):
            if record.at is not None:
                return record.at
    except InputError:
        pass
    return datetime.max.replace(tzinfo=UTC)


def format_of(beginning: bytes) -> Format | None:
    """Return the format of a file that begins so, or None if it is unknown."""
    return next((one for one in FORMATS if one.recognises(beginning)), None)


def _first_object(beginning: bytes) -> Mapping[str, Any]:
    """Return the object that the first line is, or an empty one."""
    line = beginning.lstrip().split(b"\n", 1)[0]
    try:
        found = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _has_keys(*keys: str) -> Callable[[bytes], bool]:
    def recognises(beginning: bytes) -> bool:
        return _is_json(beginning) and _first_object(beginning).keys() >= {*keys}

    return recognises


def _has_line(pattern: re.Pattern[bytes]) -> Callable[[bytes], bool]:
    def recognises(beginning: bytes) -> bool:
        return any(pattern.search(line) for line in beginning.splitlines())

    return recognises


def _is_json(beginning: bytes) -> bool:
    return JSON.match(beginning) is not None


FORMATS: Final = (
    Format("pinwatch's event log", _has_keys("rule", "digest"), event_log.read_json),
    Format("pinwatch's event log", _has_keys("kind", "digest"), event_log.read_json),
    Format("pg_stat_statements as JSON", _has_keys("query"), statements.read_json),
    Format(
        "PostgreSQL's jsonlog",
        _has_keys("timestamp", "error_severity"),
        postgres_log.read_json,
    ),
    Format("JSON of CloudWatch Logs", _is_json, cloudwatch.read_json),
    Format("CSV of CloudWatch Logs", cloudwatch.has_events, cloudwatch.read_csv),
    Format("pg_stat_statements as CSV", statements.is_table, statements.read_csv),
    Format(
        "PostgreSQL's csvlog",
        lambda beginning: POSTGRES_TIME.match(beginning) is not None,
        postgres_log.read_csv,
    ),
    Format(
        "the log of RDS Proxy", _has_line(proxy_log.RECOGNISED), proxy_log.read_text
    ),
    Format("PostgreSQL's log", _has_line(postgres_log.START), postgres_log.read_stderr),
)
"""All formats; the first one that recognises a file reads it."""
