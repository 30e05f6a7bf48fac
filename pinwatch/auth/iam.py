"""IAM tokens of Amazon RDS, verified offline.

A token is a URL without its scheme, signed for 15 minutes with AWS Signature
Version 4 in its query. With the access key's secret it can be signed again and
compared. Owns that check and the list of access keys. The format is in the RDS guide,
"IAM database authentication", and in botocore's generate_db_auth_token.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pinwatch.errors import SettingError
from pinwatch.extras import AWS, install_command

if TYPE_CHECKING:  # pydantic is slow to import, and not needed to read its models
    from pinwatch.config.auth import IamSettings

MAX_LIFETIME: Final = 900  # seconds, the lifetime of tokens of AWS's tools
CLOCK_SKEW: Final = timedelta(minutes=5)  # how far ahead a client's clock may be
TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "rds-db"
DEFAULT_REGION: Final = "us-east-1"

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
    """A token is refused; the text is a sentence for the log."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An AWS access key; session_token belongs to a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def verify(
    token: str,
    *,
    user: str,
    hosts: Iterable[str],
    port: int,
    region: str,
    keys: Mapping[str, AccessKey],
    now: datetime,
) -> None:
    """Raise TokenRefused unless the token is valid for the user at one of the hosts.

    ``keys`` are by access key id; ``now`` has a time zone.
    """
    url, fields = _parsed(token)
    endpoints = [f"[{h}]:{port}" if ":" in h else f"{h}:{port}" for h in hosts]
    if url.netloc.lower() not in map(str.lower, endpoints):
        raise TokenRefused(f"The token is not for {' or '.join(endpoints)}.")
    if fields["DBUser"] != user:
        raise TokenRefused("The token is for another user.")
    if fields["Action"] != "connect":
        raise TokenRefused("The token is for another action than connect.")

    made = _time(fields["X-Amz-Date"])
    key_id, _, scope = fields["X-Amz-Credential"].partition("/")
    if scope != f"{made:%Y%m%d}/{region}/{SERVICE}/aws4_request":
        raise TokenRefused(f"The token is not for {SERVICE} in the region {region}.")
    if made - now > CLOCK_SKEW:
        raise TokenRefused("The token is from the future.")
    if now - made > timedelta(seconds=_lifetime(fields["X-Amz-Expires"])):
        raise TokenRefused("The token has expired.")

    key = keys.get(key_id)
    if key is None:
        raise TokenRefused("The token's access key is not known to the proxy.")
    if not _same(fields.get(SECURITY_TOKEN, ""), key.session_token or ""):
        raise TokenRefused("The token's session token is not that of its access key.")
    if not _same(fields.pop(SIGNATURE), _signature(url.netloc, fields, region, key)):
        raise TokenRefused("The token's signature is wrong.")


def _parsed(token: str) -> tuple[SplitResult, dict[str, str]]:
    """Return a token's URL and the fields of its query, each exactly once."""
    if not token:
        raise TokenRefused("The authentication token is empty.")
    try:
        url = urlsplit(f"https://{token}")
        pairs = parse_qsl(url.query, strict_parsing=True)
    except ValueError:
        raise TokenRefused("The authentication token is malformed.") from None
    fields = dict(pairs)
    if (
        url.path != "/"
        or url.fragment
        or len(fields) != len(pairs)
        or fields.keys() - {SECURITY_TOKEN} != FIELDS
        or fields["X-Amz-Algorithm"] != ALGORITHM
        or fields["X-Amz-SignedHeaders"] != "host"
    ):
        raise TokenRefused("The authentication token is malformed.")
    return url, fields


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise TokenRefused("The authentication token is malformed.") from None


def _lifetime(text: str) -> int:
    """Seconds; at most MAX_LIFETIME, even if the token has more."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise TokenRefused("The authentication token is malformed.")
    return min(int(text), MAX_LIFETIME)


def _same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return compare_digest(one.encode(), other.encode())


def _signature(
    endpoint: str, fields: Mapping[str, str], region: str, key: AccessKey
) -> str:
    """Sign the query's fields with botocore; return the signature in hexadecimal."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = SigV4QueryAuth(
        Credentials(key.access_key_id, key.secret_access_key), SERVICE, region
    )
    request = AWSRequest("GET", f"https://{endpoint}/", params=fields)
    request.context["timestamp"] = fields["X-Amz-Date"]
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    signature: str = signer.signature(to_sign, request)
    return signature


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifies the tokens of one endpoint."""

    hosts: tuple[str, ...]
    port: int
    region: str
    keys: Mapping[str, AccessKey]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, user: str, token: str) -> None:
        verify(
            token,
            user=user,
            hosts=self.hosts,
            port=self.port,
            region=self.region,
            keys=self.keys,
            now=self.clock(),
        )


def no_verifier(user: str, token: str) -> None:
    """Refuse every token, if no role logs in by IAM."""
    raise TokenRefused("The proxy verifies no tokens.")


def verifier(settings: "IamSettings", hosts: Iterable[str], port: int) -> TokenVerifier:
    """Return the verifier of an endpoint with these names and this port.

    Access keys are those of the settings, of the standard variables of the
    environment and of the profiles in AWS's shared files, in this order. Raises
    SettingError if botocore is missing or cannot read those files.
    """
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        raise SettingError(
            f"IAM authentication needs boto3: install it by {install_command(AWS)}"
        ) from None
    session = Session()
    try:
        profiles = session.full_config["profiles"].values()
        profile_region = session.get_config_variable("region")
    except BotoCoreError as error:
        raise SettingError(f"AWS's settings can't be used: {error}") from error
    environment = {name.lower(): value for name, value in os.environ.items()}
    keys = {key.access_key_id: key for key in _keys([*profiles, environment])}
    for each in settings.access_keys:
        keys[each.access_key_id] = AccessKey(
            each.access_key_id,
            each.secret_access_key.get_secret_value(),
            each.session_token.get_secret_value() if each.session_token else None,
        )
    return TokenVerifier(
        hosts=(*hosts, *settings.hosts),
        port=settings.port or port,
        region=(
            settings.region
            or environment.get("aws_region")
            or profile_region
            or DEFAULT_REGION
        ),
        keys=keys,
    )


def _keys(tables: Iterable[Mapping[str, str]]) -> Iterator[AccessKey]:
    """Yield the access keys in tables that use the names of AWS's shared files."""
    for table in tables:
        match table:
            case {"aws_access_key_id": key_id, "aws_secret_access_key": secret}:
                yield AccessKey(key_id, secret, table.get("aws_session_token"))
