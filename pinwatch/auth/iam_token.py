"""The form of an RDS authentication token: its fields, and what a log may say of them.

A token is a URL without its scheme, with an AWS Signature Version 4 in its query. Knows
neither the settings nor the time.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

MAX_LIFETIME: Final = 900  # seconds, the lifetime of tokens of AWS's tools
TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
ALGORITHM: Final = "AWS4-HMAC-SHA256"
MAX_SHOWN: Final = 128  # characters of a field in the log

SECURITY_TOKEN: Final = "X-Amz-Security-Token"
SIGNATURE: Final = "X-Amz-Signature"
FIELDS: Final = {
    "Action",
    "DBUser",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    SIGNATURE,
}


class TokenRefused(Exception):
    """A token is refused; the text is one sentence or more for the log."""


def malformed(why: str) -> TokenRefused:
    """Return the error; why must not quote the text, which may be a password."""
    return TokenRefused(
        f"The authentication token is malformed: {why}. It must be exactly what "
        "aws rds generate-db-auth-token prints."
    )


def parsed(token: str) -> tuple[SplitResult, dict[str, str]]:
    """Return a token's URL and the fields of its query; raises TokenRefused."""
    if not token:
        raise TokenRefused("The authentication token is empty.")
    try:
        url = urlsplit(f"https://{token}")
        pairs = parse_qsl(url.query, strict_parsing=True)
    except ValueError:
        raise malformed("it is not a URL with a query") from None
    fields = dict(pairs)
    if url.path != "/":
        raise malformed("its path is not /")
    if url.fragment:
        raise malformed("it has a fragment")
    if len(fields) != len(pairs):
        raise malformed("it has a field twice")
    if missing := FIELDS - fields.keys():
        raise malformed(f"{min(missing)} is missing")
    if fields.keys() - {SECURITY_TOKEN} != FIELDS:
        raise malformed("it has a field that tokens do not have")
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise malformed(f"X-Amz-Algorithm is not {ALGORITHM}")
    if fields["X-Amz-SignedHeaders"] != "host":
        raise malformed("X-Amz-SignedHeaders is not host")
    return url, fields


def signed_at(fields: Mapping[str, str]) -> datetime:
    try:
        return datetime.strptime(fields["X-Amz-Date"], TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise malformed("X-Amz-Date is not a time") from None


def expires_at(fields: Mapping[str, str]) -> datetime:
    """Return the end of a token's lifetime, which is MAX_LIFETIME at most."""
    text = fields["X-Amz-Expires"]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise malformed("X-Amz-Expires is not a number of seconds")
    return signed_at(fields) + timedelta(seconds=min(int(text), MAX_LIFETIME))


def host_and_port(netloc: str) -> tuple[str, str]:
    """Return both parts as written; the port is empty if there is none."""
    host, colon, port = netloc.rpartition(":")
    return (host, port) if colon and not port.endswith("]") else (netloc, "")


def described(token: str) -> str:
    """Return a sentence with what a token is for, as far as it can be read.

    It has no secret. A text that is no token, and may be a password, gives "".
    """
    netloc, _, query = token.partition("/?")
    fields = dict(parse_qsl(query))
    if not {"Action", "DBUser"} <= fields.keys():
        return ""
    return f"The token says: {', '.join(_readable(netloc, fields))}."


def _readable(netloc: str, fields: Mapping[str, str]) -> Iterator[str]:
    host, port = host_and_port(netloc)
    yield f"host {shown(host)}"
    yield f"port {shown(port)}"
    yield f"user {shown(fields['DBUser'])}"
    key_id, *scope = fields.get("X-Amz-Credential", "").split("/")
    if len(scope) > 1:
        yield f"region {shown(scope[1])}"
    yield f"access key {shown(key_id)}"
    try:
        yield f"signed at {signed_at(fields):%Y-%m-%dT%H:%M:%SZ}"
        yield f"valid until {expires_at(fields):%Y-%m-%dT%H:%M:%SZ}"
    except (KeyError, OverflowError, TokenRefused):
        yield "no readable time"


def shown(text: str) -> str:
    """Return a field as a word for the log."""
    return (text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...") or "(none)"
