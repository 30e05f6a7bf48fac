"""Message boundaries and names, as the stream of a client needs them.

Owns the layout of the messages that clients send once they are logged in: their types,
limits, and where names and texts end. Does not know what a message does.
"""

from typing import Final

from librt.strings import BytesWriter, write_i32_be
from mypy_extensions import i64

from pinwatch.errors import ProtocolViolation
from pinwatch.relay.prepared import Renamed
from pinwatch.wire.messages import (
    BIND,
    CLOSE,
    COPY_DATA,
    COPY_DONE,
    COPY_FAIL,
    DESCRIBE,
    FLUSH,
    HEADER,
    INT32,
    MAX_MESSAGE,
    PARSE,
    SYNC,
    TERMINATE,
)

MAX_STATEMENT: Final = 16_384  # bytes of text; a longer statement is not kept
MAX_QUERY: Final = MAX_STATEMENT + 5  # the length field of a Query with such a text
OVERSIZE_PREFIX: Final = 2_048  # bytes of a longer Query that are shown in reports
STATEMENT: Final = 0x53  # S in Describe and Close; P stands for a portal
TEXT_END: Final = 3  # NUL bytes at the end of a Parse without parameter types
MAX_NAMES_END: Final = 262_144  # bytes of a message within which its names must end
MAX_SHORT_NAME: Final = 64  # bytes searched in a loop; most names are shorter
MAX_SHORT_MESSAGE: Final = 10_000  # length of a CopyFail, Close, Describe or Execute
KINDS: Final = frozenset(b"BCDEFHPQSXdcf")
NAMES_A_STATEMENT: Final = bytes(
    kind in (PARSE, BIND, DESCRIBE, CLOSE) for kind in range(256)
)
"""1 for each message type that names a prepared statement or a portal."""
IGNORED_WHEN_IDLE: Final = frozenset((COPY_DATA, COPY_DONE, COPY_FAIL, FLUSH))
"""Message types that the server ignores while it serves no request."""

NO_BODY: Final = frozenset((SYNC, FLUSH, COPY_DONE, TERMINATE))
"""Message types without a body. The proxy rejects one with a body: the server would
report an error, and skip the messages after it up to the next Sync."""

STARTS_REQUEST: Final = bytes(
    kind in KINDS - IGNORED_WHEN_IDLE - {TERMINATE} for kind in range(256)
)
"""1 for each message type that starts a request."""

Reference = tuple[i64, i64, Renamed | None]
"""The name in a message: the index in the chunk at which the name begins, the index at
which the rest begins, and the ``Renamed``, or None to send the message unchanged."""


class Incomplete(Exception):
    """More bytes of the message are needed."""


def header(data: bytes, at: int) -> tuple[int, int]:
    """Return type and length of the message at index at; raises ProtocolViolation."""
    kind, size = HEADER.unpack_from(data, at)
    if kind not in KINDS:
        raise bad_kind(kind)
    if not 4 <= size <= MAX_MESSAGE:
        raise bad_length(size)
    return kind, size


def function_oid(data: bytes, at: i64) -> int:
    """Return the object identifier in a FunctionCall; 0 if it has not arrived."""
    return int(INT32.unpack_from(data, at + 5)[0]) if at + 9 <= len(data) else 0


def bad_kind(kind: int) -> ProtocolViolation:
    return ProtocolViolation(f"invalid frontend message type {kind}")


def bad_length(size: int) -> ProtocolViolation:
    return ProtocolViolation(f"invalid message length {size}")


def string_end(data: bytes, at: i64, message_at: i64, following: i64) -> i64:
    """Return the index after the NUL of the string that begins at index at.

    The string must end before following, the end of the message that begins at
    message_at. Raises Incomplete and ProtocolViolation.
    """
    if at < following and at < len(data) and not data[at]:
        return at + 1
    limit: i64 = min(following, message_at + MAX_NAMES_END)
    here: i64 = min(limit, len(data))
    short: i64 = min(here, at + MAX_SHORT_NAME)
    end: i64 = at
    while end < short:
        if not data[end]:
            return end + 1
        end += 1
    found: i64 = data.find(b"\0", end, here)
    if found >= 0:
        return found + 1
    if here < limit:
        raise Incomplete
    raise ProtocolViolation("invalid string in message")


def text(data: bytes, at: i64, limit: i64, following: i64) -> bytes | None:
    """Return the string at index at; None if no NUL before limit has arrived.

    Most Parse messages have no parameter types. The end of the string is then computed
    from following, the end of the message.
    """
    end: i64 = following - TEXT_END
    if (
        at <= end < limit
        and following <= len(data)
        and not (data[end] or data[end + 1] or data[end + 2])
    ):
        sql = data[at:end]
        if 0 not in sql:
            return sql
    end = data.find(b"\0", at, limit)
    return None if end < 0 else data[at:end]


def renamed(
    out: BytesWriter,
    data: bytes,
    at: i64,
    following: i64,
    name_at: i64,
    rest: i64,
    change: Renamed,
) -> i64:
    """Write a changed message; return the index where unchanged bytes begin.

    at is the index of the message, name_at that of the name in it. following is the
    index after the message, rest that after the name.
    """
    before, name, after = change
    out.write(before)
    if name is None:
        return following
    size: int = following - at - 1 + len(name) - (rest - name_at - 1)
    out.append(data[at])
    write_i32_be(out, size)
    out.write(data[at + 5 : name_at])
    out.write(name)
    out.append(0)
    if after == b"":
        return rest
    out.write(data[rest:following])
    out.write(after)
    return following
