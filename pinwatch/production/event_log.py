"""pinwatch's event log: one JSON object for each pin."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from pinwatch.production.files import InputError
from pinwatch.production.lines import read_objects
from pinwatch.production.proxy_log import split_reason
from pinwatch.production.records import Pinned, Record
from pinwatch.production.times import read_time

PROBLEM: Final = "This is not a pin of pinwatch's event log."


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the first pin of each session, which is what RDS Proxy logs."""
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
