"""The settings of logins: ``[[auth]]``, ``[iam]`` and ``[secrets_manager]``.

Names and values are those of the RDS API (CreateDBProxy, UserAuthConfig) if it has
them. Secrets are SecretStr, which neither repr nor JSON shows.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

SECRET_ID: Final = r"^(arn:[^:]*:secretsmanager:[^:]+:[^:]*:secret:.+|[^:]+)$"
SecretId = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=SECRET_ID,
        json_schema_extra={"format": "a secret's ARN or name"},
    ),
]

DefaultAuthScheme = Literal["NONE", "IAM_AUTH"]
ClientPasswordAuthType = Literal["POSTGRES_SCRAM_SHA_256", "POSTGRES_MD5"]
IamAuth = Literal["DISABLED", "REQUIRED"]

# A model's error shows its input; models that contain these must hide it, too.
SETTINGS: Final = ConfigDict(
    extra="forbid",
    frozen=True,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)


class AuthEntry(BaseModel):
    """One ``[[auth]]`` entry: where a secret is, and how its role logs in.

    Exactly one of ``secret_arn`` (or the secret's name), ``secret_file`` (a file, or
    a folder with one secret a file), or ``username`` and ``password``.
    """

    model_config = SETTINGS

    secret_arn: SecretId | None = None
    """ARN or name of a secret in AWS Secrets Manager."""

    secret_file: Path | None = None
    """JSON file with `username` and `password`, or a folder of such files."""

    username: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Name of the role, if its password is given here."""

    password: SecretStr | None = None
    """Password of that role."""

    iam_auth: IamAuth = "DISABLED"
    """REQUIRED: clients send an IAM token in place of the password."""

    client_password_auth_type: ClientPasswordAuthType = "POSTGRES_SCRAM_SHA_256"
    """Method by which clients prove that they know the password."""

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if [self.secret_arn, self.secret_file, self.username].count(None) != 2:
            raise ValueError(
                "give one of secret_arn, secret_file, or username and password"
            )
        return self


class IamAccessKey(BaseModel):
    """An AWS access key whose tokens are accepted."""

    model_config = SETTINGS

    access_key_id: str
    """Access key whose tokens are accepted, in addition to the keys of the AWS
    environment and of the shared credentials file."""

    secret_access_key: SecretStr
    """Secret of that access key."""

    session_token: SecretStr | None = None
    """Session token of that access key, if the key is temporary."""


class IamSettings(BaseModel):
    """The region, hosts, port and access keys of accepted IAM tokens."""

    model_config = SETTINGS

    region: str | None = None
    """Region that tokens must be signed for. Default: the AWS environment's, else
    us-east-1."""

    hosts: tuple[str, ...] = ()
    """Hosts that tokens may be signed for, in addition to the endpoint's own names."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port that tokens must be signed for, if a container publishes another port than
    the one pinwatch listens on."""

    access_keys: tuple[IamAccessKey, ...] = ()


class SecretsManagerSettings(BaseModel):
    """The Secrets Manager that ``secret_arn`` refers to."""

    model_config = SETTINGS

    endpoint_url: str | None = None
    """URL of Secrets Manager, for example LocalStack's. Default: AWS."""

    region: str | None = None
    """Region of Secrets Manager. Default: the AWS environment's."""

    refresh_interval: Annotated[float, Field(gt=0)] = 60
    """Seconds after which a secret is read again, at the next login."""
