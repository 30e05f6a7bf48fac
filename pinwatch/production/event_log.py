"""pinwatch's event log: a JSON object for each pin and leak, as the HTTP API has them.

A leak has the key ``kind``, and a pin ``rule``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import read_objects
from pinwatch.production.proxy_log import split_reason
from pinwatch.production.records import Pinned, Record, Sent
from pinwatch.production.times import logged_time

PROBLEM: Final = "This is not a line of pinwatch's event log."


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of the pins in a file. Leaks do not pin, so they have none."""
    for number, found in read_objects(name, stream, PROBLEM):
        if "kind" in found:
            continue
        try:
            yield from read_pin(found)
        except KeyError:
            raise InputError(name, PROBLEM, number) from None


def read_pin(document: Mapping[str, Any]) -> Iterator[Record]:
    """Yield the text of a pin, and the pin if it is the first of its session.

    RDS Proxy logs only that one. Its time is that of the log, so that a pin that both
    have counts once. Raises KeyError.
    """
    at, client = logged_time(str(document["at"])), str(document["client"])
    reason, digest, cut_off = split_reason(str(document["reason"]))
    if document["first"]:
        yield Pinned(at, client, reason, digest, cut_off=cut_off)
    role, sql = str(document.get("user", "")), str(document.get("sql", ""))
    yield Sent(at, f"client {client}", role, sql)
