"""The messages that a client receives, in a form to compare and print.

Owns the parts of a message that differ between two connections to the same server.
"""

from collections.abc import Iterable
from typing import Final

from pinwatch.wire import messages
from tests.wireclient import Message

CLOSED: Final = Message(0, b"the connection was closed")
NOTHING: Final = Message(0, b"no message is coming")
FIELD_SIZE: Final = 18  # bytes of a column's description after its name
MAX_SHOWN: Final = 100  # bytes of a body


def comparable(message: Message) -> Message:
    """Return the message without the numbers of processes and tables."""
    if message.kind == messages.NOTIFICATION_RESPONSE:
        return Message(message.kind, message.body[4:])
    if message.kind == messages.ROW_DESCRIPTION:
        return Message(message.kind, _without_tables(message.body))
    return message


def _without_tables(body: bytes) -> bytes:
    """Return a RowDescription that has 0 for the table of each column."""
    out = bytearray(body)
    at = 2
    while at < len(out):
        at = out.index(b"\0", at) + 1
        out[at : at + 4] = bytes(4)
        at += FIELD_SIZE
    return bytes(out)


def login_parameters(received: Iterable[Message]) -> list[Message]:
    """Return the messages of a login that RDS Proxy sends too, in a fixed order."""
    return sorted(
        message for message in received if message.kind != messages.BACKEND_KEY_DATA
    )


def shown(message: Message) -> str:
    """Return one line."""
    kind, body = message
    if kind in (messages.ERROR_RESPONSE, messages.NOTICE_RESPONSE):
        fields = messages.error_fields(body)
        return f"{chr(kind)} {fields['V']} {fields['C']} {fields['M']}"
    more = f"... {len(body)} bytes" if len(body) > MAX_SHOWN else ""
    return f"{chr(kind) if kind else '-'} {body[:MAX_SHOWN]!r}{more}"
