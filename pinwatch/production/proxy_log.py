"""The lines of RDS Proxy's log, and of pinwatch's, which has the same grammar.

::

    TIMESTAMP [LEVEL] [proxyEndpoint=NAME] [clientConnection=N] message

People shorten lines before they share them: the time and the tags may be missing, and
of a pin the reason alone may be left.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final

from pinwatch.production.lines import entries, read_lines
from pinwatch.production.records import (
    Connected,
    Disconnected,
    Pinned,
    Record,
)
from pinwatch.production.times import STAMP, read_time

RELEVANT: Final = re.compile(
    rb"session (?:was|will be)\s+pinned|client connect(?:ed|ion closed)|"
    rb'Digest: "|exceeded the 16384 byte limit|A parse message was detected'
)
"""Matches all lines that say something about clients and pins."""
RELEVANT_TEXT: Final = re.compile(RELEVANT.pattern.decode())
START: Final = re.compile(
    rb"\[(?:DEBUG|INFO|WARN|WARNING|ERROR)\] ?|^\s*(?:The client |A new client |A TCP |"
    rb"The database |If this prepared statement|Credentials )"
)
"""Matches the first line of an entry."""
RECOGNISED: Final = re.compile(
    rb"\[(?:proxyEndpoint|clientConnection|dbConnection)=|\[(?:INFO|WARN|DEBUG)\] |"
    rb"(?:Credentials couldn't be retrieved)|" + RELEVANT.pattern
)
"""Matches a line of this log."""

HEAD: Final = re.compile(
    rf"(?:(?P<at>{STAMP})\s+)?\[(?:DEBUG|INFO|WARN|WARNING|ERROR)\]\s*"
    r"(?P<tags>(?:\[[^\]]*\]\s*)*)(?P<message>.*)"
)
CLIENT: Final = re.compile(r"\[clientConnection=([^\]]*)\]")
CONNECTED: Final = re.compile(r"A new client connected from (.+?)(?::[^:\s]*)?\.?\s*\Z")
REASON: Final = re.compile(r"Reason: (.*)")
DIGEST: Final = re.compile(r'\s*Digest: "(?:(.*)"|(.*))')
NEXT_MESSAGE: Final = re.compile(rb"\t(?=%s\s+\[[A-Z]+\] )" % STAMP.encode())
AHEAD: Final = "If this prepared statement runs"
CLOSED: Final = "client connection closed"


def read_line(line: str, at: datetime | None = None, id: str = "") -> Record | None:
    """Return the record of a line, or None if the line says nothing about pins.

    at and id are CloudWatch's; a time in the line itself goes before.
    """
    if not RELEVANT_TEXT.search(line):
        return None
    found = HEAD.search(line)
    message = line.strip()
    client = ""
    if found is not None:
        message = found["message"]
        at = read_time(found["at"] or "") or at
        named = CLIENT.search(found["tags"])
        client = named[1] if named else ""
    if CLOSED in message:
        return Disconnected(at, client)
    if (connected := CONNECTED.match(message)) is not None:
        return Connected(at, client, connected[1])
    return _pin(message, at, client, id)


def _pin(message: str, at: datetime | None, client: str, id: str) -> Record:
    found = REASON.search(message)
    reason, digest, cut_off = split_reason(found[1] if found else message)
    return Pinned(at, client, reason, digest, id, AHEAD in message, cut_off)


def split_reason(text: str) -> tuple[str, str, bool]:
    """Return the reason without its digest, the digest, and whether it is cut off.

    The digest is empty if the text has none.
    """
    found = DIGEST.search(text)
    if found is None:
        return text, "", False
    closed, beginning = found.groups()
    digest = beginning if closed is None else closed
    return text[: found.start()], digest, closed is None


def read_text(name: str, stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of a text file, which may have wrapped lines."""
    for entry in entries(_lines(stream), START):
        if RELEVANT.search(entry):
            record = read_line(entry.decode("utf-8", "replace").replace("\n", " "))
            if record is not None:
                yield record


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; ``aws --output text`` puts tabs between messages."""
    for line in read_lines(stream):
        yield from NEXT_MESSAGE.split(line)
