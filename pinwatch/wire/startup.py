"""The first packets of a client, which have a length but no type byte.

Owns their layout and limits. Does not know what a proxy does with them.
"""

from dataclasses import dataclass
from typing import Final

from pinwatch.errors import (
    NotAStartupPacket,
    ProtocolViolation,
    unsupported_protocol,
)
from pinwatch.wire.messages import (
    CANCEL_REQUEST_CODE,
    GSSENC_REQUEST_CODE,
    INT32,
    SSL_REQUEST_CODE,
)

MAX_PACKET: Final = 10_000  # PostgreSQL's MAX_STARTUP_PACKET_LENGTH
HTTP_METHODS: Final = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"PATC")


@dataclass(frozen=True, slots=True)
class SSLRequest:
    """The client requests TLS; the reply is one byte, S or N."""


@dataclass(frozen=True, slots=True)
class GSSENCRequest:
    """The client requests GSSAPI encryption; the reply is one byte, G or N."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A request to cancel the running statement of the session with this key."""

    process: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """The start of a session: user, database and settings, in the client's order.

    ``parameters`` are as sent, without the ``_pq_.`` protocol options.
    """

    minor: int
    parameters: dict[bytes, bytes]
    protocol_options: tuple[bytes, ...]


Packet = SSLRequest | GSSENCRequest | CancelRequest | StartupMessage


def read_packet(data: bytes) -> tuple[Packet, int] | None:
    """Return the first packet of data and its size in bytes; None if incomplete.

    Raises NotAStartupPacket, ProtocolViolation, or ClientError for an unsupported
    protocol version.
    """
    if len(data) < 4:
        return None
    (size,) = INT32.unpack_from(data)
    if data[:4] in HTTP_METHODS:
        raise NotAStartupPacket(
            "received an HTTP request where a startup packet was expected"
        )
    if not 8 <= size <= MAX_PACKET:
        raise NotAStartupPacket(f"invalid length of startup packet: {size}")
    if len(data) < size:
        return None
    return _packet(data[4:size]), size


def _packet(body: bytes) -> Packet:
    (code,) = INT32.unpack_from(body)
    if code == SSL_REQUEST_CODE:
        return SSLRequest()
    if code == GSSENC_REQUEST_CODE:
        return GSSENCRequest()
    if code == CANCEL_REQUEST_CODE:
        return _cancel_request(body)
    major, minor = code >> 16, code & 0xFFFF
    if major != 3:
        raise unsupported_protocol()
    return _startup_message(minor, body[4:])


def _cancel_request(body: bytes) -> CancelRequest:
    if len(body) < 12:
        raise NotAStartupPacket("invalid length of cancel request packet")
    return CancelRequest(INT32.unpack_from(body, 4)[0], body[8:])


def _startup_message(minor: int, body: bytes) -> StartupMessage:
    words = body[:-1].split(b"\0")
    names, values = words[:-1:2], words[1::2]
    if body[-1:] != b"\0" or words[-1] or len(words) % 2 == 0 or b"" in names:
        raise ProtocolViolation(
            "invalid startup packet layout: expected terminator as last byte"
        )
    pairs = dict(zip(names, values, strict=True))
    options = tuple(name for name in pairs if name.startswith(b"_pq_."))
    parameters = {name: pairs[name] for name in pairs if name not in options}
    return StartupMessage(minor, parameters, options)
