"""A log of RDS Proxy for tests, and the containers that CloudWatch exports it in."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from pinwatch.observers.log import PINNED
from pinwatch.production.times import read_time

TRACKED: Final = (
    "SQL changed session settings that the proxy doesn't track. Consider moving "
    "session configuration to the proxy's initialization query."
)
LOG: Final = (
    "2026-11-30T10:00:00.000Z [INFO] [proxyEndpoint=default] [clientConnection=1] "
    "A new client connected from 10.0.0.7:49152.",
    "2026-11-30T10:00:01.000Z [WARN] [proxyEndpoint=default] [clientConnection=1] "
    + PINNED.format(11, f'{TRACKED} Digest: "set search_path to $1".'),
    "2026-11-30T10:00:02.000Z [INFO] [proxyEndpoint=default] [clientConnection=2] "
    "A new client connected from 10.0.0.8:49152.",
    "2026-11-30T10:00:03.000Z [WARN] [proxyEndpoint=default] [clientConnection=2] "
    + PINNED.format(
        12, "The connection ran a SQL query which exceeded the 16384 byte limit."
    ),
    "2026-11-30T10:00:31.000Z [INFO] [proxyEndpoint=default] [clientConnection=1] "
    "The client connection closed. Reason: The client requested that the connection "
    "close.",
    "2026-11-30T10:01:03.000Z [INFO] [proxyEndpoint=default] [clientConnection=2] "
    "The client connection closed. Reason: The TCP channel was closed by either the "
    "client or the proxy.",
)
PINS: Final = {
    ("set", "set search_path to $1"): (1, 30.0),
    ("statement_size", ""): (1, 60.0),
}
"""The pins of LOG by rule and digest: their number, and their seconds."""

Lines = Sequence[str]


def milliseconds(line: str) -> int:
    at = read_time(line.split(" ", 1)[0])
    assert at is not None
    return int(at.timestamp() * 1_000)


def event(number: int, line: str) -> dict[str, object]:
    return {
        "logStreamName": "stream",
        "timestamp": milliseconds(line),
        "message": line,
        "ingestionTime": milliseconds(line) + 5,
        "eventId": f"{number:056}",
    }


def text(lines: Lines) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def filter_log_events(lines: Lines) -> bytes:
    events = [event(*each) for each in enumerate(lines)]
    return json.dumps({"events": events, "searchedLogStreams": []}, indent=4).encode()


def pages(lines: Lines) -> bytes:
    """One document for each line, as with one call for each page."""
    return b"\n".join(filter_log_events([line]) for line in lines)


def query_results(lines: Lines) -> bytes:
    results = [
        [
            {"field": "@timestamp", "value": line[:23].replace("T", " ")},
            {"field": "@message", "value": line},
            {"field": "@ptr", "value": f"pointer {number}"},
        ]
        for number, line in enumerate(lines)
    ]
    return json.dumps({"results": results, "status": "Complete"}, indent=4).encode()


def insights_csv(lines: Lines) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["@timestamp", "@message", "@logStream"])
    writer.writerows((line[:23].replace("T", " "), line, "stream") for line in lines)
    return out.getvalue().encode()


def subscription(lines: Lines) -> bytes:
    events = [
        {"id": str(number), "timestamp": milliseconds(line), "message": line}
        for number, line in enumerate(lines)
    ]
    return json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events}).encode()


def one_event_a_line(lines: Lines) -> bytes:
    return b"\n".join(json.dumps(event(*e)).encode() for e in enumerate(lines))


def s3_export(lines: Lines) -> bytes:
    """Each line behind the time of its event, packed by gzip."""
    return gzip.compress(text([f"{line[:24]} {line}" for line in lines]))


def logs_tail(lines: Lines) -> bytes:
    return text([f"{line[:23]}000+00:00 stream {line}" for line in lines])


def utf_16(lines: Lines) -> bytes:
    """As PowerShell's ``>`` writes it."""
    return text(lines).decode().replace("\n", "\r\n").encode("utf-16")


def wrapped(lines: Lines) -> bytes:
    """As a terminal of 80 columns wraps it."""
    return text([line.replace(" the ", "\nthe ") for line in lines])


CONTAINERS: Final[dict[str, Callable[[Lines], bytes]]] = {
    "text": text,
    "wrapped text": wrapped,
    "UTF-16": utf_16,
    "filter-log-events": filter_log_events,
    "filter-log-events, a page at a time": pages,
    "get-query-results": query_results,
    "CSV of Logs Insights": insights_csv,
    "a subscription": subscription,
    "an event in each line": one_event_a_line,
    "an export to S3": s3_export,
    "aws logs tail": logs_tail,
    "gzip of JSON": lambda lines: gzip.compress(filter_log_events(lines)),
}


def write(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def later(lines: Lines, **by: float) -> list[str]:
    """Return the lines with their own times moved."""
    moved = []
    for line in lines:
        stamp, rest = line.split(" ", 1)
        at = read_time(stamp)
        assert at is not None
        time = (at + timedelta(**by)).isoformat(timespec="milliseconds")
        moved.append(f"{time.replace('+00:00', 'Z')} {rest}")
    return moved
