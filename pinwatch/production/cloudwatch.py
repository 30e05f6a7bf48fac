"""RDS Proxy's log as CloudWatch Logs exports it.

::

    aws logs filter-log-events ...       {"events": [{"timestamp": 1, "message": ""}]}
    aws logs get-query-results ...       {"results": [[{"field": "@message", ...}]]}
    a subscription, through Firehose     {"logEvents": [{"id": "", "message": ""}]}
    one event in each line               {"timestamp": 1, "message": ""}
    Logs Insights, downloaded as CSV     @timestamp,@message
    the console, downloaded as CSV       timestamp,message

Documents may follow each other, as with one call for each page.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import ijson

from pinwatch.production.files import InputError, repaired
from pinwatch.production.postgres_log import read_message
from pinwatch.production.proxy_log import read_line
from pinwatch.production.records import Record
from pinwatch.production.tables import header, read_table
from pinwatch.production.times import from_milliseconds, read_time

MESSAGES: Final = ("message", "@message")
TIMES: Final = ("timestamp", "@timestamp")
IDS: Final = ("eventId", "id", "@ptr")
KNOWN: Final = {"events", "logEvents", "results", "field", *MESSAGES}
"""A document of CloudWatch Logs has at least one of these keys."""
NO_EVENTS: Final = "The JSON has no events of CloudWatch Logs."

Event = Mapping[str, Any]


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of JSON documents; raises InputError at the first fault."""
    try:
        text = repaired(stream)
        parts = ijson.basic_parse(text, multiple_values=True, use_float=True)
        yield from _records(_events(name, parts))
    except ijson.JSONError as error:
        problem = f"The JSON is cut off or damaged: {_reason(error)}."
        raise InputError(name, problem) from None


def has_events(beginning: bytes) -> bool:
    """Return True if a CSV begins so that has columns of messages and of times."""
    names = header(beginning)
    return any(one in names for one in MESSAGES) and any(one in names for one in TIMES)


def read_csv(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of a CSV; raises InputError at the first fault."""
    yield from _records(row for _, row in read_table(name, stream))


def _reason(error: ijson.JSONError) -> str:
    """Return the first line of the parser's text, which may be bytes."""
    text = error.args[0] if error.args else ""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return shown.strip().split("\n", 1)[0].rstrip(". ")


def _events(name: str, parts: Iterable[tuple[str, Any]]) -> Iterator[Event]:
    """Yield each object with a message, and each row of the results of a query.

    Raises InputError if there are only other objects.
    """
    row: dict[str, Any] = {}
    known, others = False, False
    for found in _objects(parts):
        if found is None:
            if row:
                yield row
            row = {}
            continue
        if "field" in found:
            row[found["field"]] = found.get("value")
        elif _first(found, MESSAGES) is not None:
            yield found
        known = known or not KNOWN.isdisjoint(found)
        others = others or bool(found)
    if others and not known:
        raise InputError(name, NO_EVENTS)


def _objects(parts: Iterable[tuple[str, Any]]) -> Iterator[dict[str, Any] | None]:
    """Yield each object with its texts and numbers, and None at the end of an array.

    A text outside objects is the message of one; a number before it is the time. The
    AWS CLI prints such with ``--query events[].[timestamp,message]``.
    """
    maps: list[dict[str, Any]] = []
    key, number = "", None
    for kind, value in parts:
        match kind:
            case "map_key":
                key = value
            case "start_map":
                maps.append({})
            case "end_map":
                yield maps.pop()
            case "string" | "number" | "start_array" if maps:
                maps[-1][key] = value
            case "number":
                number = value
            case "string":
                yield {"message": value, "timestamp": number}
            case "end_array":
                yield None


def _records(events: Iterable[Event]) -> Iterator[Record]:
    """Yield the records of events of RDS Proxy's log, or of a PostgreSQL log."""
    for event in events:
        message = _first(event, MESSAGES)
        if isinstance(message, str):
            at = _first(event, TIMES)
            time = read_time(at) if isinstance(at, str) else from_milliseconds(at)
            id = str(_first(event, IDS) or "")
            record = read_line(" ".join(message.split()), time, id)
            if record is not None:
                yield record
            else:
                yield from read_message(message, time)


def _first(event: Event, keys: Iterable[str]) -> Any:
    return next((event[key] for key in keys if key in event), None)
