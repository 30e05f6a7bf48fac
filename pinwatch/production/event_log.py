"""pinwatch's event log: one JSON object for each pin."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import read_objects
from pinwatch.production.proxy_log import split_reason
from pinwatch.production.records import Pinned, Record, Sent
from pinwatch.production.times import read_time

PROBLEM: Final = "This is not a pin of pinwatch's event log."


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield each text, and the first pin of each session: RDS Proxy logs only that."""
    for number, found in read_objects(name, stream, PROBLEM):
        try:
            first = found["first"]
            at = read_time(str(found["at"]))
            client = str(found["client"])
            reason, digest = split_reason(str(found["reason"]))
        except KeyError:
            raise InputError(name, PROBLEM, number) from None
        if first:
            yield Pinned(at, client, reason, digest)
        role, sql = str(found.get("user", "")), str(found.get("sql", ""))
        yield Sent(at, f"client {client}", role, sql)
