"""The messages of PostgreSQL's protocol 3: their type bytes, and how to build them.

Owns names and layouts, as in PostgreSQL's ``protocol.h`` and its manual's chapter
"Message Formats". Does not know which message is legal when.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

# From the client.
BIND: Final = ord("B")
CLOSE: Final = ord("C")
DESCRIBE: Final = ord("D")
EXECUTE: Final = ord("E")
FUNCTION_CALL: Final = ord("F")
FLUSH: Final = ord("H")
PARSE: Final = ord("P")
PASSWORD: Final = ord("p")  # also SASLInitialResponse and SASLResponse
QUERY: Final = ord("Q")
SYNC: Final = ord("S")
TERMINATE: Final = ord("X")

# From both.
COPY_DATA: Final = ord("d")
COPY_DONE: Final = ord("c")
COPY_FAIL: Final = ord("f")

# From the server.
AUTHENTICATION: Final = ord("R")
BACKEND_KEY_DATA: Final = ord("K")
BIND_COMPLETE: Final = ord("2")
CLOSE_COMPLETE: Final = ord("3")
COMMAND_COMPLETE: Final = ord("C")
COPY_BOTH_RESPONSE: Final = ord("W")
COPY_IN_RESPONSE: Final = ord("G")
COPY_OUT_RESPONSE: Final = ord("H")
DATA_ROW: Final = ord("D")
EMPTY_QUERY_RESPONSE: Final = ord("I")
ERROR_RESPONSE: Final = ord("E")
FUNCTION_CALL_RESPONSE: Final = ord("V")
NEGOTIATE_PROTOCOL_VERSION: Final = ord("v")
NO_DATA: Final = ord("n")
NOTICE_RESPONSE: Final = ord("N")
NOTIFICATION_RESPONSE: Final = ord("A")
PARAMETER_DESCRIPTION: Final = ord("t")
PARAMETER_STATUS: Final = ord("S")
PARSE_COMPLETE: Final = ord("1")
PORTAL_SUSPENDED: Final = ord("s")
READY_FOR_QUERY: Final = ord("Z")
ROW_DESCRIPTION: Final = ord("T")

# What ReadyForQuery says of the transaction.
IDLE: Final = ord("I")
IN_TRANSACTION: Final = ord("T")
FAILED_TRANSACTION: Final = ord("E")

# What an Authentication message asks for.
AUTHENTICATION_OK: Final = 0
AUTHENTICATION_CLEARTEXT_PASSWORD: Final = 3
AUTHENTICATION_MD5_PASSWORD: Final = 5
AUTHENTICATION_SASL: Final = 10
AUTHENTICATION_SASL_CONTINUE: Final = 11
AUTHENTICATION_SASL_FINAL: Final = 12

# Codes in place of a protocol version, in a packet without a type byte.
PROTOCOL_3_0: Final = 196608
CANCEL_REQUEST_CODE: Final = 80877102
SSL_REQUEST_CODE: Final = 80877103
GSSENC_REQUEST_CODE: Final = 80877104

HEADER: Final = Struct("!BI")
INT32: Final = Struct("!I")

MAX_MESSAGE: Final = 0x3FFFFFFF  # bytes; PostgreSQL's MaxAllocSize

SYNC_MESSAGE: Final = b"S\0\0\0\4"
TERMINATE_MESSAGE: Final = b"X\0\0\0\4"


def message(kind: int, body: bytes) -> bytes:
    """One whole message: type byte, length, body."""
    return HEADER.pack(kind, len(body) + 4) + body


def query(sql: bytes) -> bytes:
    return message(QUERY, sql + b"\0")


def parse(name: bytes, rest: bytes) -> bytes:
    """Parse for the statement name; rest is its text, NUL, and parameter types."""
    return message(PARSE, name + b"\0" + rest)


def close_statement(name: bytes) -> bytes:
    return message(CLOSE, b"S" + name + b"\0")


def password(secret: bytes) -> bytes:
    """PasswordMessage; secret is without its terminating NUL."""
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
    """The newest version that is spoken, and the options that are not known.

    version is a whole one, as PostgreSQL sends it, and not the minor one alone.
    """
    names = list(unknown)
    return message(
        NEGOTIATE_PROTOCOL_VERSION,
        INT32.pack(version)
        + INT32.pack(len(names))
        + b"".join(n + b"\0" for n in names),
    )


def startup(parameters: Mapping[bytes, bytes], version: int = PROTOCOL_3_0) -> bytes:
    """StartupMessage: no type byte; parameters include user and database."""
    pairs = b"".join(k + b"\0" + v + b"\0" for k, v in parameters.items())
    body = INT32.pack(version) + pairs + b"\0"
    return INT32.pack(len(body) + 4) + body


def cancel_request(process: int, secret: bytes) -> bytes:
    body = INT32.pack(CANCEL_REQUEST_CODE) + INT32.pack(process) + secret
    return INT32.pack(len(body) + 4) + body


def error_response(severity: str, sqlstate: str, text: str) -> bytes:
    """ErrorResponse with the fields that every client reads: S, V, C and M."""
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0"
    return message(ERROR_RESPONSE, fields.encode())


def error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse, by their one-letter codes."""
    return {
        field[:1].decode("latin-1"): field[1:].decode("utf-8", "replace")
        for field in body.split(b"\0")
        if field
    }
