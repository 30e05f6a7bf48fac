"""The keys that a client's proof is checked against.

Owns the derivation, which is slow by design and done once per secret, and the keys of
unknown roles, which no password matches.
"""

from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes
from typing import Final

from scramp.utils import h, hi, hmac

from pinwatch.auth import md5
from pinwatch.auth.scram import prepared

ITERATIONS: Final = 4096  # fixed between client and RDS Proxy, and PostgreSQL's default
SALT_SIZE: Final = 16  # bytes, PostgreSQL's SCRAM_DEFAULT_SALT_LEN


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """SCRAM's salt, StoredKey, ServerKey (RFC 5802, section 3), and the MD5 hash."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    md5: bytes


def derived(user: str, password: str) -> Keys:
    """Derive the keys of a password with a new salt; takes 1 to 2 ms."""
    salt = token_bytes(SALT_SIZE)
    salted = hi(sha256, prepared(password), salt, ITERATIONS)
    return Keys(
        salt=salt,
        stored_key=h(sha256, hmac(sha256, salted, b"Client Key")),
        server_key=hmac(sha256, salted, b"Server Key"),
        md5=md5.stored(user, password),
    )


def unmatched(user: str, seed: bytes) -> Keys:
    """Return keys that no password matches, with a salt that is constant per user.

    The constant salt hides that the user is unknown, as in PostgreSQL's
    mock_scram_secret().
    """
    return Keys(
        salt=hmac(sha256, seed, user.encode())[:SALT_SIZE],
        stored_key=token_bytes(sha256().digest_size),
        server_key=token_bytes(sha256().digest_size),
        md5=token_bytes(32),
    )
