"""pinwatch's event log: one JSON object for each pin."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from pinwatch.production.files import InputError
from pinwatch.production.proxy_log import split_reason
from pinwatch.production.records import Pinned, Record
from pinwatch.production.times import read_time


def read_json(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the first pin of each session, which is what RDS Proxy logs."""
    for number, line in enumerate(stream, 1):
        try:
            found = json.loads(line)
            first = found["first"]
            at = read_time(str(found["at"]))
            client = str(found["client"])
            reason, digest = split_reason(str(found["reason"]))
        except (ValueError, RecursionError, TypeError, KeyError):
            problem = "This is not a pin of pinwatch's event log."
            raise InputError(name, problem, number) from None
        if first:
            yield Pinned(at, client, reason, digest)
