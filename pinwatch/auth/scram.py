"""SCRAM-SHA-256 as mechanisms of pure-sasl, with scramp's arithmetic.

Owns the client's part of RFC 5802 and RFC 7677, for the proxy's login to the database.
Importing it registers both mechanisms with pure-sasl.
"""

from typing import Final, cast

from puresasl.client import SASLClient
from puresasl.mechanisms import Mechanism, mechanisms
from scramp import ScramClient, ScramException
from scramp.core import ClientStage
from scramp.utils import saslprep

BINDING_TYPE: Final = "tls-server-end-point"  # the only one PostgreSQL has


def prepared(password: str) -> bytes:
    """Return the password after SASLprep, or unchanged if SASLprep refuses it.

    The exception is PostgreSQL's, not the RFC's: see pg_saslprep() in
    src/common/saslprep.c.
    """
    if password.isascii():
        return password.encode()
    try:
        return (saslprep(password) or password).encode()
    except ScramException:
        return password.encode()


class ScramSha256(Mechanism):  # type: ignore[misc] # pure-sasl has no types
    """The client's three steps; scramp's exceptions are not translated."""

    name = "SCRAM-SHA-256"
    score = 40
    has_initial_response = True
    allows_anonymous = False
    uses_plaintext = False
    active_safe = True

    def __init__(
        self, sasl: SASLClient, password: str, channel_binding: bytes | None
    ) -> None:
        super().__init__(sasl)
        self.scram = ScramClient(
            [self.name],
            "*",  # PostgreSQL takes the user from the startup packet
            "",
            channel_binding and (BINDING_TYPE, channel_binding),
        )
        self.scram.password = prepared(password)

    def process(self, challenge: bytes | None = None) -> bytes | None:
        """Return the answer to a challenge.

        It is the client-first-message for None, the client-final-message for the
        server-first-message, and None for a valid server-final-message.
        """
        if challenge is None:
            return cast(str, self.scram.get_client_first()).encode()
        if self.scram.stage == ClientStage.get_client_first:
            self.scram.set_server_first(challenge.decode())
            return cast(str, self.scram.get_client_final()).encode()
        self.scram.set_server_final(challenge.decode())
        self.complete = True
        return None


class ScramSha256Plus(ScramSha256):
    """SCRAM-SHA-256 bound to the server's certificate."""

    name = "SCRAM-SHA-256-PLUS"
    score = 50


mechanisms.update({each.name: each for each in (ScramSha256, ScramSha256Plus)})
