"""The messages of PostgreSQL's protocol 3: type bytes, builders and readers.

Owns names and layouts, as in PostgreSQL's ``protocol.h`` and the manual's chapter
"Message Formats". Does not know which message is legal when.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

from pinwatch.errors import ProtocolViolation

# From the client.
BIND: Final = 0x42  # B
CLOSE: Final = 0x43  # C
DESCRIBE: Final = 0x44  # D
EXECUTE: Final = 0x45  # E
FUNCTION_CALL: Final = 0x46  # F
FLUSH: Final = 0x48  # H
PARSE: Final = 0x50  # P
PASSWORD: Final = 0x70  # p; also SASLInitialResponse and SASLResponse
QUERY: Final = 0x51  # Q
SYNC: Final = 0x53  # S
TERMINATE: Final = 0x58  # X

# From both.
COPY_DATA: Final = 0x64  # d
COPY_DONE: Final = 0x63  # c
COPY_FAIL: Final = 0x66  # f

# From the server.
AUTHENTICATION: Final = 0x52  # R
BACKEND_KEY_DATA: Final = 0x4B  # K
BIND_COMPLETE: Final = 0x32  # 2
CLOSE_COMPLETE: Final = 0x33  # 3
COMMAND_COMPLETE: Final = 0x43  # C
COPY_BOTH_RESPONSE: Final = 0x57  # W
COPY_IN_RESPONSE: Final = 0x47  # G
COPY_OUT_RESPONSE: Final = 0x48  # H
DATA_ROW: Final = 0x44  # D
EMPTY_QUERY_RESPONSE: Final = 0x49  # I
ERROR_RESPONSE: Final = 0x45  # E
FUNCTION_CALL_RESPONSE: Final = 0x56  # V
NEGOTIATE_PROTOCOL_VERSION: Final = 0x76  # v
NO_DATA: Final = 0x6E  # n
NOTICE_RESPONSE: Final = 0x4E  # N
NOTIFICATION_RESPONSE: Final = 0x41  # A
PARAMETER_DESCRIPTION: Final = 0x74  # t
PARAMETER_STATUS: Final = 0x53  # S
PARSE_COMPLETE: Final = 0x31  # 1
PORTAL_SUSPENDED: Final = 0x73  # s
READY_FOR_QUERY: Final = 0x5A  # Z
ROW_DESCRIPTION: Final = 0x54  # T

# The transaction status in ReadyForQuery.
IDLE: Final = 0x49  # I
IN_TRANSACTION: Final = 0x54  # T
FAILED_TRANSACTION: Final = 0x45  # E

# The kinds of Authentication message.
AUTHENTICATION_OK: Final = 0
AUTHENTICATION_CLEARTEXT_PASSWORD: Final = 3
AUTHENTICATION_MD5_PASSWORD: Final = 5
AUTHENTICATION_SASL: Final = 10
AUTHENTICATION_SASL_CONTINUE: Final = 11
AUTHENTICATION_SASL_FINAL: Final = 12

# The protocol version of a StartupMessage, and the codes that other packets without a
# type byte have in its place.
PROTOCOL_3_0: Final = 196608
CANCEL_REQUEST_CODE: Final = 80877102
SSL_REQUEST_CODE: Final = 80877103
GSSENC_REQUEST_CODE: Final = 80877104

HEADER: Final = Struct("!BI")
INT32: Final = Struct("!I")

MAX_IDENTIFIER: Final = 63  # bytes; PostgreSQL ignores the rest of a longer name
MAX_MESSAGE: Final = 0x3FFFFFFF  # bytes; PostgreSQL's MaxAllocSize

FLUSH_MESSAGE: Final = b"H\0\0\0\4"
SYNC_MESSAGE: Final = b"S\0\0\0\4"
TERMINATE_MESSAGE: Final = b"X\0\0\0\4"


def message(kind: int, body: bytes) -> bytes:
    """Build a message: type byte, length, body."""
    return HEADER.pack(kind, len(body) + 4) + body


def next_message(
    data: bytes, max_size: int = MAX_MESSAGE
) -> tuple[int, bytes, bytes] | None:
    """Return the type byte, the body and the rest of data.

    Return None if data has no complete message.
    ``max_size`` limits the length field, in bytes. Raises ProtocolViolation. As this
    copies the rest, it is for startup and login; the relay reads chunks in place.
    """
    if len(data) < HEADER.size:
        return None
    kind, size = HEADER.unpack_from(data)
    if not 4 <= size <= max_size:
        raise ProtocolViolation(f"invalid message length {size}")
    if len(data) <= size:
        return None
    return kind, data[HEADER.size : size + 1], data[size + 1 :]


def query(sql: bytes) -> bytes:
    return message(QUERY, sql + b"\0")


def parse(name: bytes, rest: bytes) -> bytes:
    """Build a Parse; ``rest`` is the statement's text, NUL, and parameter types."""
    return message(PARSE, name + b"\0" + rest)


def close_statement(name: bytes) -> bytes:
    return message(CLOSE, b"S" + name + b"\0")


def describe_statement(name: bytes) -> bytes:
    return message(DESCRIBE, b"S" + name + b"\0")


def password(secret: bytes) -> bytes:
    """Build a PasswordMessage; ``secret`` has no terminating NUL."""
    return message(PASSWORD, secret + b"\0")


def sasl_initial_response(mechanism: bytes, data: bytes) -> bytes:
    return message(PASSWORD, mechanism + b"\0" + INT32.pack(len(data)) + data)


def sasl_response(data: bytes) -> bytes:
    return message(PASSWORD, data)


def authentication(code: int, data: bytes = b"") -> bytes:
    return message(AUTHENTICATION, INT32.pack(code) + data)


def parameter_status(name: bytes, value: bytes) -> bytes:
    return message(PARAMETER_STATUS, name + b"\0" + value + b"\0")


def backend_key_data(process: int, secret: bytes) -> bytes:
    return message(BACKEND_KEY_DATA, INT32.pack(process) + secret)


def ready_for_query(status: int) -> bytes:
    return message(READY_FOR_QUERY, bytes((status,)))


def negotiate_protocol_version(version: int, unknown: Iterable[bytes]) -> bytes:
    """Build a message with the newest supported version and the unknown options.

    ``version`` is the whole version, as PostgreSQL sends it, not the minor part alone.
    """
    names = list(unknown)
    return message(
        NEGOTIATE_PROTOCOL_VERSION,
        INT32.pack(version)
        + INT32.pack(len(names))
        + b"".join(n + b"\0" for n in names),
    )


def startup(parameters: Mapping[bytes, bytes], version: int = PROTOCOL_3_0) -> bytes:
    """Build a StartupMessage; ``parameters`` include user and database."""
    pairs = b"".join(k + b"\0" + v + b"\0" for k, v in parameters.items())
    body = INT32.pack(version) + pairs + b"\0"
    return INT32.pack(len(body) + 4) + body


def cancel_request(process: int, secret: bytes) -> bytes:
    body = INT32.pack(CANCEL_REQUEST_CODE) + INT32.pack(process) + secret
    return INT32.pack(len(body) + 4) + body


def error_response(severity: str, sqlstate: str, text: str) -> bytes:
    """Build an ErrorResponse with the fields that every client reads: S, V, C, M."""
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0"
    return message(ERROR_RESPONSE, fields.encode())


def reported_parameter(body: bytes) -> tuple[bytes, bytes]:
    """Return name and value of a ParameterStatus; raises ProtocolViolation."""
    parts = body.split(b"\0")
    if len(parts) != 3 or parts[2]:
        raise ProtocolViolation("invalid ParameterStatus")
    return parts[0], parts[1]


def transaction_status(body: bytes) -> int:
    """Return the status of a ReadyForQuery; raises ProtocolViolation."""
    if len(body) != 1:
        raise ProtocolViolation("invalid ReadyForQuery")
    return body[0]


def error_fields(body: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse or NoticeResponse by one-letter code."""
    return {
        field[:1].decode("latin-1"): field[1:].decode("utf-8", "replace")
        for field in body.split(b"\0")
        if field
    }
