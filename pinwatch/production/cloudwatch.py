"""RDS Proxy's log as CloudWatch Logs exports it.

::

    aws logs filter-log-events ...       {"events": [{"timestamp": 1, "message": ""}]}
    aws logs get-query-results ...       {"results": [[{"field": "@message", ...}]]}
    a subscription, through Firehose     {"logEvents": [{"id": "", "message": ""}]}
    one event in each line               {"timestamp": 1, "message": ""}
    Logs Insights, downloaded as CSV     @timestamp,@message

Documents may follow each other, as with one call for each page.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import ijson

from pinwatch.production.files import InputError
from pinwatch.production.proxy_log import read_line
from pinwatch.production.records import Record
from pinwatch.production.times import from_milliseconds, read_time

MESSAGES: Final = ("message", "@message")
TIMES: Final = ("timestamp", "@timestamp")
IDS: Final = ("eventId", "id", "@ptr")
SCALARS: Final = {"string", "number"}
MAX_CELL: Final = 1_048_576  # bytes of one cell of a CSV

Event = Mapping[str, Any]


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of JSON documents; raises InputError at the first fault."""
    try:
        parts = ijson.parse(stream, multiple_values=True, use_float=True)
        yield from _records(_events(parts))
    except ijson.JSONError as error:
        problem = str(error).splitlines()[0].strip()
        raise InputError(name, f"The JSON is cut off or damaged: {problem}.") from None


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of a CSV with the columns of Logs Insights."""
    csv.field_size_limit(MAX_CELL)
    text = io.TextIOWrapper(stream, "utf-8", "replace", newline="")
    rows = csv.DictReader(text)
    try:
        yield from _records(rows)
    except csv.Error as error:
        raise InputError(name, f"This is not CSV: {error}.", rows.line_num) from None


def _events(parts: Iterable[tuple[str, str, Any]]) -> Iterator[Event]:
    """Yield each object with a message, and each row of the results of a query."""
    maps: list[dict[str, Any]] = []
    row: dict[str, Any] = {}
    key = ""
    for prefix, kind, value in parts:
        if kind == "map_key":
            key = value
        elif kind in SCALARS:
            if maps:
                maps[-1][key] = value
        elif kind == "start_map":
            maps.append({})
        elif kind == "end_map":
            found = maps.pop()
            if "field" in found:
                row[found["field"]] = found.get("value")
            elif "message" in found:
                yield found
        elif kind == "end_array" and prefix.endswith("results.item"):
            yield row
            row = {}


def _records(events: Iterable[Event]) -> Iterator[Record]:
    for event in events:
        message = _first(event, MESSAGES)
        if isinstance(message, str):
            at = _first(event, TIMES)
            time = read_time(at) if isinstance(at, str) else from_milliseconds(at)
            id = str(_first(event, IDS) or "")
            record = read_line(" ".join(message.split()), time, id)
            if record is not None:
                yield record


def _first(event: Event, keys: Iterable[str]) -> Any:
    return next((event[key] for key in keys if key in event), None)
