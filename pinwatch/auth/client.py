"""A client's login to the proxy.

Owns the proxy's half of the conversation: the requests, and the check of the answers.
Does not know where credentials come from. An unknown role gets the same requests at the
same cost, and is refused only where a wrong password would be.
"""

from collections.abc import Callable, Generator
from hmac import compare_digest
from secrets import token_bytes
from typing import Final, TypeAlias

from pinwatch.auth import md5, refusals
from pinwatch.auth.credentials import Credential, Method
from pinwatch.auth.iam_token import TokenRefused
from pinwatch.auth.proof import Proof, ProofRefused
from pinwatch.auth.refusals import AuthenticationFailed
from pinwatch.auth.scram import ScramSha256, ScramSha256Plus
from pinwatch.wire import messages
from pinwatch.wire.messages import INT32

Conversation: TypeAlias = Generator[bytes, bytes, bytes]
TokenCheck: TypeAlias = Callable[[str, str], None]

AUTHENTICATION_OK: Final = messages.authentication(messages.AUTHENTICATION_OK)
NO_INITIAL_RESPONSE: Final = INT32.pack(0xFFFFFFFF)  # -1: it comes when asked for

# Refusals of a well-formed proof that is wrong.
UNPROVEN: Final = (refusals.WRONG_PASSWORD, refusals.IAM_FAILED)


def login(
    credential: Credential,
    verify_token: TokenCheck,
    *,
    tls: bool = False,
    channel_binding: bytes | None = None,
) -> Conversation:
    """Authenticate a client.

    ``next()`` yields the first message to send; each ``send`` takes the body of a
    message of type 'p' and yields the next one. The generator returns the last bytes to
    send, which end with AuthenticationOk, or raises AuthenticationFailed. Both can
    happen at the first ``next()``.

    ``verify_token`` takes user and IAM token and raises TokenRefused, as an
    ``iam.TokenVerifier`` does. ``channel_binding`` is the tls-server-end-point hash
    of the proxy's certificate, with which it offers SCRAM-SHA-256-PLUS.
    """
    user = credential.user
    try:
        match credential.method:
            case Method.TRUST:
                last = b""
            case Method.SCRAM_SHA_256:
                last = yield from _scram_sha_256(credential, channel_binding)
            case Method.MD5:
                last = yield from _md5(credential)
            case _:  # Method.IAM
                last = yield from _iam(credential, verify_token, tls)
    except ProofRefused as error:
        if credential.problem and error.refusal in UNPROVEN:
            raise AuthenticationFailed(
                refusals.NO_CREDENTIALS, user, tls=tls, reason=credential.problem
            ) from None
        raise AuthenticationFailed(
            error.refusal, user, tls=tls, reason=error.reason
        ) from None
    return last + AUTHENTICATION_OK


def _scram_sha_256(
    credential: Credential, channel_binding: bytes | None
) -> Conversation:
    offered = [ScramSha256.name]
    if channel_binding is not None:
        offered.insert(0, ScramSha256Plus.name)
    names = "".join(f"{name}\0" for name in offered) + "\0"
    body = yield messages.authentication(messages.AUTHENTICATION_SASL, names.encode())

    name, _, response = body.partition(b"\0")
    mechanism = name.decode("latin-1")
    if mechanism not in offered:
        raise ProofRefused(refusals.METHOD)
    if response == NO_INITIAL_RESPONSE:
        message = yield messages.authentication(messages.AUTHENTICATION_SASL_CONTINUE)
    elif response[: INT32.size] == INT32.pack(len(response[INT32.size :])):
        message = response[INT32.size :]
    else:
        raise ProofRefused(refusals.MALFORMED_SCRAM, "its length is wrong")

    proof = Proof(mechanism, credential.keys, channel_binding)
    message = yield messages.authentication(
        messages.AUTHENTICATION_SASL_CONTINUE, proof.first(message)
    )
    return messages.authentication(
        messages.AUTHENTICATION_SASL_FINAL, proof.final(message)
    )


def _md5(credential: Credential) -> Conversation:
    salt = token_bytes(4)
    body = yield messages.authentication(messages.AUTHENTICATION_MD5_PASSWORD, salt)
    if not compare_digest(_password(body), md5.answer(credential.keys.md5, salt)):
        raise ProofRefused(refusals.WRONG_PASSWORD)
    return b""


def _iam(credential: Credential, verify_token: TokenCheck, tls: bool) -> Conversation:
    if not tls:
        raise ProofRefused(refusals.IAM_WITHOUT_TLS)
    body = yield messages.authentication(messages.AUTHENTICATION_CLEARTEXT_PASSWORD)
    token = _password(body).decode("utf-8", "replace")
    try:
        verify_token(credential.user, token)
    except TokenRefused as error:
        raise ProofRefused(refusals.IAM_FAILED, str(error)) from error
    if credential.problem:  # also with a valid token
        raise ProofRefused(refusals.IAM_FAILED)
    return b""


def _password(body: bytes) -> bytes:
    """Return the password of a PasswordMessage, which ends with its only NUL."""
    password, nul, rest = body.partition(b"\0")
    if not nul or rest:
        raise ProofRefused(refusals.MALFORMED_PASSWORD)
    return password
