"""The errors that a client can receive while it logs in, as one table.

Owns their texts and SQLSTATEs: RDS Proxy's (docs/decisions/logins.md rates their
certainty), and PostgreSQL's own for malformed messages.
"""

from dataclasses import dataclass
from typing import Final

from pinwatch.errors import ClientError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal with its text for the client and its text for the log.

    ``text`` and ``log`` may hold one ``{}``, the role; ``log`` may also hold
    ``{tls}`` (on, off) and ``{reason}``.
    """

    text: str
    sqlstate: str
    log: str


class AuthenticationFailed(ClientError):
    """A login is refused with FATAL; ``log`` is the sentence for the proxy's log.

    ``reason`` goes to the log only: the client must not see it.
    """

    def __init__(
        self, refusal: Refusal, role: str = "", *, tls: bool, reason: str = ""
    ) -> None:
        super().__init__(refusal.text.format(role), refusal.sqlstate)
        self.refusal = refusal
        self.log = refusal.log.format(role, tls="on" if tls else "off", reason=reason)


def no_credentials(role: str) -> ClientError:
    """Return NO_CREDENTIALS without a line for the log, if no secret was looked up."""
    return ClientError(NO_CREDENTIALS.text.format(role), NO_CREDENTIALS.sqlstate)


_PASSWORD: Final = (
    "Proxy authentication with PostgreSQL native password authentication failed for "
    'user "{}" with TLS {tls}. Reason: '
)
_IAM: Final = (
    'Proxy authentication with IAM authentication failed for user "{}" with TLS '
    "{tls}. Reason: "
)

TLS_REQUIRED: Final = Refusal(
    "This RDS Proxy requires TLS connections",
    "28000",
    "This RDS Proxy requires TLS connections.",
)
METHOD: Final = Refusal(
    "RDS Proxy supports only IAM, MD5, or SCRAM authentication.",
    "28000",
    _PASSWORD + "RDS Proxy supports only IAM, MD5, or SCRAM authentication.",
)
NO_CREDENTIALS: Final = Refusal(
    "This RDS proxy has no credentials for the role {}. "
    "Check the credentials for this role and try again.",
    "28P01",
    "Credentials couldn't be retrieved. {reason}",
)
WRONG_PASSWORD: Final = Refusal(
    "The password that was provided for the role {} is wrong.",
    "28P01",
    _PASSWORD + "Invalid credentials. If you provide an IAM token, make sure to "
    "either use the correct password or enable IAM authentication.",
)
IAM_WITHOUT_TLS: Final = Refusal(
    "IAM authentication is allowed only with SSL connections.",
    "28000",
    _IAM + "IAM authentication is allowed only with SSL connections.",
)
IAM_FAILED: Final = Refusal(
    "The IAM authentication failed for the role {}. "
    "Check the IAM token for this role and try again.",
    "28P01",
    _IAM + "The proxy couldn't authenticate using IAM. {reason}",
)

# PostgreSQL's own, from its auth.c and auth-scram.c.
MALFORMED_PASSWORD: Final = Refusal(
    "invalid password packet size", "08P01", _PASSWORD + "invalid password packet size."
)
MALFORMED_SCRAM: Final = Refusal(
    "malformed SCRAM message", "08P01", _PASSWORD + "malformed SCRAM message. {reason}"
)
CHANNEL_BINDING: Final = Refusal(
    "SCRAM channel binding check failed",
    "28000",
    _PASSWORD + "SCRAM channel binding check failed. {reason}",
)
