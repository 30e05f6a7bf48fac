"""A client's proof by SCRAM-SHA-256, checked with scramp's arithmetic.

Owns the server's part of RFC 5802 and RFC 7677 as in PostgreSQL: the user name in the
messages is ignored in favour of that in the startup packet.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from scramp import ScramException, ScramMechanism
from scramp.utils import ServerError

from pinwatch.auth import refusals
from pinwatch.auth.keys import ITERATIONS, Keys
from pinwatch.auth.refusals import Refusal
from pinwatch.auth.scram import BINDING_TYPE

MAX_MESSAGE: Final = 1024  # bytes, PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH

REFUSALS: Final = {
    ServerError.INVALID_PROOF: refusals.WRONG_PASSWORD,
    ServerError.CHANNEL_BINDINGS_DONT_MATCH: refusals.CHANNEL_BINDING,
    ServerError.SERVER_DOES_SUPPORT_CHANNEL_BINDING: refusals.CHANNEL_BINDING,
}


class ProofRefused(Exception):
    """A client's message or proof is refused; ``reason`` is for the log."""

    def __init__(self, refusal: Refusal, reason: str = "") -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason


class Proof:
    """One exchange with a mechanism; both methods raise ProofRefused."""

    def __init__(
        self, mechanism: str, keys: Keys, channel_binding: bytes | None
    ) -> None:
        scram_keys = (keys.salt, keys.stored_key, keys.server_key, ITERATIONS)
        self._mechanism = mechanism
        self._scram = ScramMechanism(mechanism).make_server(
            lambda _: scram_keys,
            channel_binding and (BINDING_TYPE, channel_binding),
        )

    def first(self, message: bytes) -> bytes:
        """Return the server-first-message for a client-first-message."""
        with _refused():
            text = _text(message)
            # scramp requires a user name, which libpq omits; the original is signed.
            self._scram.set_client_first(re.sub("^([^,]*,[^,]*,n=)[^,]*", r"\1*", text))
            self._scram.client_first_bare = text.split(",", 2)[2]
            if self._scram.m.name != self._mechanism:
                raise ScramException("binds the channel without SCRAM-SHA-256-PLUS")
            return cast(str, self._scram.get_server_first()).encode()

    def final(self, message: bytes) -> bytes:
        """Return the server-final-message if the client-final-message is right."""
        with _refused():
            self._scram.set_client_final(_text(message))
            return cast(str, self._scram.get_server_final()).encode()


def _text(message: bytes) -> str:
    if len(message) > MAX_MESSAGE:
        raise ScramException("too long")
    if b"\0" in message:
        raise ScramException("contains NUL")
    return message.decode()


@contextmanager
def _refused() -> Iterator[None]:
    """Map scramp's errors as PostgreSQL does: most are malformed messages."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ProofRefused(refusals.MALFORMED_SCRAM, "not UTF-8") from error
    except ScramException as error:
        refusal = REFUSALS.get(error.server_error, refusals.MALFORMED_SCRAM)
        if refusal is refusals.WRONG_PASSWORD and error.__cause__ is not None:
            refusal = refusals.MALFORMED_SCRAM  # the proof does not have 32 bytes
        raise ProofRefused(refusal, str(error)) from error
