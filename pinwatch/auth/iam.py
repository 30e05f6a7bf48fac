"""IAM tokens of Amazon RDS, verified offline.

With the access key's secret a token can be signed again and compared. Owns that check,
the list of access keys, and the sentences about a token that is refused. The format is
in the RDS guide, "IAM database authentication", and in botocore's
generate_db_auth_token.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from pinwatch.auth.iam_token import (
    SECURITY_TOKEN,
    SIGNATURE,
    TokenRefused,
    described,
    expires_at,
    host_and_port,
    parsed,
    shown,
    signed_at,
)
from pinwatch.errors import SettingError
from pinwatch.extras import AWS, install_command
from pinwatch.text import spelled

if TYPE_CHECKING:  # pydantic is slow to import, and not needed to read its models
    from pinwatch.config.auth import IamSettings

CLOCK_SKEW: Final = timedelta(minutes=5)  # how far ahead a client's clock may be
SERVICE: Final = "rds-db"
DEFAULT_REGION: Final = "us-east-1"
MAX_KEYS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An AWS access key; session_token belongs to a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The tokens that are accepted; ``keys`` are by access key id."""

    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    region: str
    keys: Mapping[str, AccessKey]


def verify(token: str, user: str, accepted: Accepted, now: datetime) -> None:
    """Raise TokenRefused unless the token is valid for the user.

    The error says what the token is for, what is accepted, and which setting would
    accept it. ``now`` has a time zone.
    """
    try:
        _verify(token, user, accepted, now)
    except TokenRefused as refused:
        raise TokenRefused(f"{refused} {described(token)}".rstrip()) from None


def _verify(token: str, user: str, accepted: Accepted, now: datetime) -> None:
    url, fields = parsed(token)
    _check_endpoint(url.netloc, accepted)
    if fields["DBUser"] != user:
        raise TokenRefused(
            f"The token is for the user {shown(fields['DBUser'])}, but the client logs "
            f"in as {shown(user)}: create the token for that user."
        )
    if fields["Action"] != "connect":
        raise TokenRefused(
            f"The token is for the action {shown(fields['Action'])}, not for connect."
        )
    key_id = _checked_scope(fields, accepted.region)
    _check_time(fields, now)
    _check_signature(url.netloc, fields, key_id, accepted)


def _check_endpoint(netloc: str, accepted: Accepted) -> None:
    host, port = host_and_port(netloc)
    hosts = [f"[{one}]" if ":" in one else one for one in accepted.hosts]
    if host.lower() not in map(str.lower, hosts):
        raise TokenRefused(
            f"The token is for the host {shown(host)}, but must be for "
            f"{_any(dict.fromkeys(hosts))}: create it for one of them, or add its host "
            "to iam.hosts."
        )
    ports = list(map(str, accepted.ports))
    if port not in ports:
        raise TokenRefused(
            f"The token is for the port {shown(port)}, but must be for {_any(ports)}: "
            "create it for that port, or set iam.port to its port."
        )


def _checked_scope(fields: Mapping[str, str], region: str) -> str:
    """Return the access key id; raises TokenRefused for another region or service."""
    key_id, _, scope = fields["X-Amz-Credential"].partition("/")
    expected = f"{signed_at(fields):%Y%m%d}/{region}/{SERVICE}/aws4_request"
    if scope == expected:
        return key_id
    words = scope.split("/")
    if len(words) == 4 and words[1] != region:
        raise TokenRefused(
            f"The token is for the region {shown(words[1])}, but must be for {region}: "
            "create it for that region, or set iam.region to its region."
        )
    raise TokenRefused(
        f"The token's credential scope is {shown(scope)}, but must be {expected}."
    )


def _check_time(fields: Mapping[str, str], now: datetime) -> None:
    made = signed_at(fields)
    if made - now > CLOCK_SKEW:
        raise TokenRefused(
            f"The token is from the future: it was signed {_lasting(made - now)} after "
            f"the proxy's time, {now:%Y-%m-%dT%H:%M:%SZ}. "
            "Set the clocks of both machines."
        )
    end = expires_at(fields)
    if now > end:
        raise TokenRefused(
            f"The token expired {_lasting(now - end)} ago. Create a token for each "
            "connection: none is valid for more than 15 minutes."
        )


def _check_signature(
    netloc: str, fields: dict[str, str], key_id: str, accepted: Accepted
) -> None:
    key = accepted.keys.get(key_id)
    if key is None:
        raise TokenRefused(
            f"The token's access key {shown(key_id)} is not known to the proxy, which "
            f"knows {_ids(accepted.keys)}: add it to iam.access_keys, or to the AWS "
            "environment of pinwatch."
        )
    if not _same(fields.get(SECURITY_TOKEN, ""), key.session_token or ""):
        raise TokenRefused(
            f"The token's session token is not that of its access key {key_id}: set "
            "its session_token in iam.access_keys, or renew it in the AWS environment "
            "of pinwatch."
        )
    signature = fields.pop(SIGNATURE)
    if not _same(signature, _signature(netloc, fields, accepted.region, key)):
        raise TokenRefused(
            "The token's signature is wrong: it was changed on its way, or pinwatch "
            f"has another secret for the access key {key_id} in iam.access_keys or in "
            "its AWS environment."
        )


def _any(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _ids(keys: Mapping[str, AccessKey]) -> str:
    """Return the first ids of access keys, which are no secrets."""
    some = ", ".join(list(keys)[:MAX_KEYS_SHOWN])
    more = len(keys) - MAX_KEYS_SHOWN
    return f"{some} and {more} others" if more > 0 else some or "none"


def _lasting(period: timedelta) -> str:
    return spelled(period.total_seconds())


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
    """Verifies tokens; ``accepted`` returns those that are accepted now."""

    accepted: Callable[[], Accepted]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, user: str, token: str) -> None:
        verify(token, user, self.accepted(), self.clock())


def no_verifier(user: str, token: str) -> None:
    """Refuse every token, if no role logs in by IAM."""
    raise TokenRefused("No role logs in by IAM: set iam_auth or default_auth_scheme.")


def verifier(
    settings: "IamSettings", hosts: Iterable[str], ports: Callable[[], Iterable[int]]
) -> TokenVerifier:
    """Return the verifier of a proxy with these names, and the ports of its endpoints.

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
    region = settings.region or environment.get("aws_region") or profile_region
    all_hosts = (*hosts, *settings.hosts)

    def accepted() -> Accepted:
        there = (settings.port,) if settings.port else tuple(ports())
        return Accepted(all_hosts, there, region or DEFAULT_REGION, keys)

    return TokenVerifier(accepted)


def _keys(tables: Iterable[Mapping[str, str]]) -> Iterator[AccessKey]:
    """Yield the access keys in tables that use the names of AWS's shared files."""
    for table in tables:
        match table:
            case {"aws_access_key_id": key_id, "aws_secret_access_key": secret}:
                yield AccessKey(key_id, secret, table.get("aws_session_token"))
