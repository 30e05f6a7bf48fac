"""The proxy's login to the database.

Owns the answers to the database's Authentication messages: none for trust, cleartext
only with TLS, MD5, SCRAM-SHA-256 and, with TLS, SCRAM-SHA-256-PLUS. Does not know
ErrorResponse, with which the database refuses a login.
"""

from collections.abc import Generator
from typing import Final

from puresasl import SASLError
from puresasl.client import SASLClient
from scramp import ScramException

from pinwatch.auth import md5
from pinwatch.auth.scram import ScramSha256, ScramSha256Plus
from pinwatch.errors import TargetError
from pinwatch.wire import messages
from pinwatch.wire.messages import INT32

# Methods of PostgreSQL's protocol.h that the proxy does not have.
UNSUPPORTED: Final = {2: "Kerberos V5", 7: "GSSAPI", 9: "SSPI"}


class LoginRefused(TargetError):
    """The database requests an unsupported method, or its messages are wrong."""


def login(
    user: str,
    password: str | None,
    *,
    encrypted: bool = False,
    channel_binding: bytes | None = None,
) -> Generator[bytes, bytes, None]:
    """Answer the database until it says AuthenticationOk.

    Prime it with ``next()``, which yields no bytes. Each ``send`` takes the body
    of an Authentication message and yields the bytes to write. It returns on
    AuthenticationOk and raises LoginRefused otherwise. ``encrypted`` says that the
    connection has TLS, ``channel_binding`` is the tls-server-end-point hash of the
    database's certificate.
    """
    method, data = _parsed((yield b""))
    if method == messages.AUTHENTICATION_OK:
        return
    if password is None:
        raise LoginRefused(
            f'The database asks for a password of the role "{user}" and none is '
            "configured."
        )
    if method == messages.AUTHENTICATION_CLEARTEXT_PASSWORD:
        if not encrypted:
            raise LoginRefused(
                "The database asks for the password in cleartext and the connection "
                "has no TLS."
            )
        answer = password.encode()
    elif method == messages.AUTHENTICATION_MD5_PASSWORD:
        answer = md5.answer(md5.stored(user, password), data)
    elif method == messages.AUTHENTICATION_SASL:
        yield from _sasl(data, password, channel_binding)
        return
    else:
        raise LoginRefused(
            "The database asks for an authentication method that is not supported: "
            f"{UNSUPPORTED.get(method, method)}."
        )
    _expect(messages.AUTHENTICATION_OK, (yield messages.password(answer)))


def _sasl(
    offered: bytes, password: str, channel_binding: bytes | None
) -> Generator[bytes, bytes, None]:
    """Run the three steps of SCRAM, up to AuthenticationOk."""
    ours = {ScramSha256.name}
    if channel_binding is not None:
        ours.add(ScramSha256Plus.name)
    sasl = SASLClient(
        host="",
        service="postgresql",
        password=password,
        channel_binding=channel_binding,
    )
    names = offered.decode("latin-1").rstrip("\0").split("\0")
    try:
        sasl.choose_mechanism([name for name in names if name in ours])
    except SASLError as error:
        raise LoginRefused(
            "The database offers no SASL mechanism that is supported: "
            f"{', '.join(names)}."
        ) from error
    try:
        body = yield messages.sasl_initial_response(
            sasl.mechanism.encode(), sasl.process()
        )
        challenge = _expect(messages.AUTHENTICATION_SASL_CONTINUE, body)
        body = yield messages.sasl_response(sasl.process(challenge))
        sasl.process(_expect(messages.AUTHENTICATION_SASL_FINAL, body))
    except (ScramException, UnicodeDecodeError) as error:
        raise LoginRefused(f"The database's SCRAM message is wrong: {error}") from error
    _expect(messages.AUTHENTICATION_OK, (yield b""))


def _parsed(body: bytes) -> tuple[int, bytes]:
    """Return method and data of an Authentication message."""
    if len(body) < INT32.size:
        raise LoginRefused("The database sent an Authentication message cut short.")
    method: int = INT32.unpack_from(body)[0]
    return method, body[INT32.size :]


def _expect(method: int, body: bytes) -> bytes:
    """Return the data of an Authentication message of this method."""
    found, data = _parsed(body)
    if found != method:
        raise LoginRefused(
            f"The database sent Authentication message {found} where {method} is due."
        )
    return data
