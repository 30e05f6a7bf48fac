"""The text about a pin or leak: rule, SQL, line, fix, and what RDS Proxy logs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

from pinwatch import events
from pinwatch.observers.log import Log
from pinwatch.pins.carets import marked
from pinwatch.pins.rule_pages import command
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.plugin.record import Record
from pinwatch.text import number_of, printable

HEAD = "RDS Proxy would pin"
LEAK_HEAD = "RDS Proxy would not see state on"
HEADS = (HEAD, LEAK_HEAD)
UNKNOWN = "line not found"
TAGS = "add sqlcommenter's tags file and line to the statement to see it"


def log_line(event: events.SessionPinned | events.StateLeaked) -> str:
    """Return RDS Proxy's log line for the first pin of a session; none for a leak."""
    if isinstance(event, events.StateLeaked):
        return ""
    stream = StringIO()
    Log(stream, now=lambda: event.at)(replace(event, first=True))
    return stream.getvalue().splitlines()[0]


def failure(
    records: Sequence[Record],
    spare: int = 0,
    whose: str = "this test's database connection",
) -> str:
    """Return the failure text of a test; ``spare`` is its max_pins."""
    pins = [one for one in records if isinstance(one.found, Pin)]
    leaks = len(records) - len(pins)
    heads = []
    if pins:
        limited = spare and not all(one.production is not None for one in pins)
        allowed = f" (max_pins allows {spare})" if limited else ""
        heads.append(f"{HEAD} {whose}: {number_of(len(pins), 'pin')}{allowed}.")
    if leaks:
        heads.append(f"{LEAK_HEAD} {whose}: {number_of(leaks, 'leak')}.")
    return "\n".join([*heads, "", explained(records)])


def explained(records: Sequence[Record]) -> str:
    """Return the text about all records; equal ones at one place are shown once."""
    return "\n\n".join(map(explanation, repeated(records)))


def explanation(same: Sequence[Record]) -> str:
    """Return the text about equal records at one place."""
    return "\n".join(_lines(same))


def repeated(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield groups of records with the same pin or leak at the same place."""
    return _grouped(((_place(one), one.same_code, one.stayed), one) for one in records)


def _grouped(keyed: Iterable[tuple[Any, Record]]) -> Iterator[list[Record]]:
    """Yield the records with the same key, in the order of the keys."""
    groups: dict[Any, list[Record]] = {}
    for key, record in keyed:
        groups.setdefault(key, []).append(record)
    return (groups[key] for key in sorted(groups))


def _place(record: Record) -> tuple[bool, str]:
    """Return the sort key; records without a line sort last."""
    return not record.found.located, _where(record)


def _where(record: Record) -> str:
    """Return the line of code, or without one the session's client."""
    found = record.found
    place = printable(str(found.frame or ""))
    if found.located:
        return place
    if found.other_process:
        return f"{place}, {_sender(record)}" if place else _sender(record)
    return f"{place or UNKNOWN}, session of {_client(record)}"


def _sender(record: Record) -> str:
    name = record.found.application_name
    client = f"application {printable(name)}" if name else _client(record)
    return f"sent by another process, {client}"


def _client(record: Record) -> str:
    names = {
        "application_name": record.found.application_name,
        "user": record.found.user,
        "database": record.found.database,
    }
    return ", ".join(f"{name} {printable(one)}" for name, one in names.items() if one)


def title(same: Sequence[Record]) -> str:
    times = f", {len(same)} times" if len(same) > 1 else ""
    return f"{same[0].found.rule}: {_where(same[0])}{times}"


def _lines(same: Sequence[Record]) -> Iterator[str]:
    record = same[0]
    found = record.found
    yield title(same)
    yield "  |"
    for line in _sql(found):
        yield f"  | {line}"
    yield "  |"
    if isinstance(found, Leak):
        yield from left(found)
    elif found.contested:
        yield f"  = contested: {printable(found.contested)}"
    if record.production is not None:
        yield f"  = seen in production: {record.production.seen}"
    yield f"  = fix: {printable(found.advice)}"
    yield f"  = more: {command(found.rule)}"
    if not found.located:
        yield f"  = line: {TAGS}"
    elif found.other_process:
        yield f"  = {_sender(record)}"
    for frame in found.frames[-2::-1]:
        yield f"  = called from {printable(str(frame))}"
    yield f"  = {_logged(same)}"


def left(leak: Leak) -> Iterator[str]:
    """Yield lines on what stayed, and on the code that left it."""
    yield f"  = left: {printable(leak.state)}"
    yield f"  = code: {printable(leak.code)}"


def _logged(same: Sequence[Record]) -> str:
    """Return what RDS Proxy does about equal records."""
    pins = [one.found for one in same if isinstance(one.found, Pin)]
    if not pins:
        return "unseen: RDS Proxy neither pins nor logs, and the next client gets it"
    if any(pin.first for pin in pins):
        return f"RDS Proxy logs: {same[0].log}"
    return "later: the session was pinned already, so RDS Proxy does not log it"


def _sql(found: Found) -> Iterator[str]:
    start, end = _piece(found)
    if end <= len(found.sql):
        return marked(found.sql, start, end)
    return marked(found.statement, 0, len(found.statement))


def _piece(found: Found) -> tuple[int, int]:
    """Return where the words that pin are in the text, or the statement that leaks."""
    if isinstance(found, Pin):
        return found.trigger
    start = found.sql.find(found.statement)
    start = len(found.sql) if start < 0 else start
    return start, start + len(found.statement)
