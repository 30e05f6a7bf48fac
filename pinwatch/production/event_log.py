"""pinwatch's event log: one JSON object for each pin, as the HTTP API has it, too."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import read_objects
from pinwatch.production.proxy_log import split_reason
from pinwatch.production.records import Pinned, Record
from pinwatch.production.times import logged_time

PROBLEM: Final = "This is not a pin of pinwatch's event log."


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the first pin of each session, which is what RDS Proxy logs."""
    for number, found in read_objects(name, stream, PROBLEM):
        try:
            pin = read_pin(found)
        except KeyError:
            raise InputError(name, PROBLEM, number) from None
        if pin is not None:
            yield pin


def read_pin(document: Mapping[str, Any]) -> Pinned | None:
    """Return a pin if it is the first of its session. Raises KeyError.

    Its time is that of the log, so that a pin that both have counts once.
    """
    first, at = document["first"], logged_time(str(document["at"]))
    reason, digest = split_reason(str(document["reason"]))
    pin = Pinned(at, str(document["client"]), reason, digest)
    return pin if first else None
