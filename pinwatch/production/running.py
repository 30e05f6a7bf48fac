"""The pins of a running pinwatch, from the documents of its HTTP API.

They are the first pin of each session, which is what RDS Proxy logs.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pinwatch.production.event_log import read_pin
from pinwatch.production.records import Connected, Disconnected, Record
from pinwatch.production.times import logged_time

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

Document = Mapping[str, Any]


def read_api(pins: Iterable[Document], sessions: Iterable[Document]) -> list[Record]:
    """Return the records of /api/pins and /api/sessions by their times.

    Only sessions that have not ended have an address. Raises KeyError.
    """
    records = [*map(_connected, sessions), *_pinned(pins)]
    return sorted(records, key=lambda record: record.at or EARLIEST)


def time_of(proxy: Document) -> datetime | None:
    """Return the server's current time, computed from /api/proxy.

    Raises KeyError, TypeError, ValueError or OverflowError.
    """
    started = logged_time(str(proxy["started_at"]))
    return started and started + timedelta(seconds=proxy["uptime"])


def _connected(session: Document) -> Connected:
    address = str(session["address"])
    return Connected(
        logged_time(str(session["connected_at"])),
        str(session["client_connection"]),
        address.rpartition(":")[0] or address,
    )


def _pinned(pins: Iterable[Document]) -> Iterator[Record]:
    for document in pins:
        yield from read_pin(document)
        if document["first"] and document["until"] is not None:
            until = logged_time(str(document["until"]))
            yield Disconnected(until, str(document["client"]))
