"""The text about a pin: rule, SQL, line of code, fix, and RDS Proxy's log line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

from pinwatch import events
from pinwatch.observers.log import Log
from pinwatch.pins.carets import marked
from pinwatch.pins.rule_pages import command
from pinwatch.testing.plugin.record import Record
from pinwatch.text import number_of, printable

HEAD = "RDS Proxy would pin"
UNKNOWN = "line not found"
TAGS = "add sqlcommenter's tags file and line to the statement to see it"


def log_line(event: events.SessionPinned) -> str:
    """Return RDS Proxy's log line for the first pin of a session."""
    stream = StringIO()
    Log(stream, now=lambda: event.at)(replace(event, first=True))
    return stream.getvalue().splitlines()[0]


def failure(
    records: Sequence[Record],
    spare: int = 0,
    whose: str = "this test's database connection",
) -> str:
    """Return the failure text of a test; ``spare`` is its max_pins."""
    pinned = number_of(len(records), "pin")
    limited = spare and not all(one.production is not None for one in records)
    allowed = f" (max_pins allows {spare})" if limited else ""
    head = f"{HEAD} {whose}: {pinned}{allowed}."
    return "\n".join([head, "", explained(records)])


def explained(records: Sequence[Record]) -> str:
    """Return the text about all pins; equal pins at one place are shown once."""
    return "\n\n".join(map(explanation, repeated(records)))


def explanation(same: Sequence[Record]) -> str:
    """Return the text about equal pins at one place."""
    return "\n".join(_lines(same))


def repeated(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield groups of records with the same pin at the same place."""
    return _grouped(((_place(one), one.same_code), one) for one in records)


def at_one_place(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield groups of records at the same place; all of them are the same pin."""
    return _grouped((_place(one), one) for one in records)


def _grouped(keyed: Iterable[tuple[Any, Record]]) -> Iterator[list[Record]]:
    """Yield the records with the same key, in the order of the keys."""
    groups: dict[Any, list[Record]] = {}
    for key, record in keyed:
        groups.setdefault(key, []).append(record)
    return (groups[key] for key in sorted(groups))


def _place(record: Record) -> tuple[bool, str]:
    """Return the sort key; records without a line sort last."""
    return not record.pin.located, _where(record)


def _where(record: Record) -> str:
    """Return the line of code, or without one the session's client."""
    pin = record.pin
    place = printable(str(pin.frame or ""))
    if pin.located:
        return place
    if pin.other_process:
        return f"{place}, {_sender(record)}" if place else _sender(record)
    return f"{place or UNKNOWN}, session of {_client(record)}"


def _sender(record: Record) -> str:
    name = record.pin.application_name
    client = f"application {printable(name)}" if name else _client(record)
    return f"sent by another process, {client}"


def _client(record: Record) -> str:
    names = {
        "application_name": record.pin.application_name,
        "user": record.pin.user,
        "database": record.pin.database,
    }
    return ", ".join(f"{name} {printable(one)}" for name, one in names.items() if one)


def title(same: Sequence[Record]) -> str:
    times = f", {len(same)} times" if len(same) > 1 else ""
    return f"{same[0].pin.rule}: {_where(same[0])}{times}"


def _lines(same: Sequence[Record]) -> Iterator[str]:
    record = same[0]
    yield title(same)
    yield "  |"
    for line in _sql(record):
        yield f"  | {line}"
    yield "  |"
    if record.pin.contested:
        yield f"  = contested: {printable(record.pin.contested)}"
    if record.production is not None:
        yield f"  = seen in production: {record.production.seen}"
    yield f"  = fix: {printable(record.pin.advice)}"
    yield f"  = more: {command(record.pin.rule)}"
    if not record.pin.located:
        yield f"  = line: {TAGS}"
    elif record.pin.other_process:
        yield f"  = {_sender(record)}"
    for frame in record.pin.frames[-2::-1]:
        yield f"  = called from {printable(str(frame))}"
    if any(one.pin.first for one in same):
        yield f"  = RDS Proxy logs: {record.log}"
    else:
        yield "  = later: the session was pinned already, so RDS Proxy does not log it"


def _sql(record: Record) -> Iterator[str]:
    start, end = record.pin.trigger
    if end <= len(record.pin.sql):
        return marked(record.pin.sql, start, end)
    return marked(record.pin.statement, 0, len(record.pin.statement))
