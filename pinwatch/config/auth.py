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
    """A secret of AWS Secrets Manager."""

    secret_file: Path | None = None
    """A secret's JSON, with username and password, or a folder with one a file."""

    username: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The role, where its secret is given here."""

    password: SecretStr | None = None
    """That role's password."""

    iam_auth: IamAuth = "DISABLED"
    """REQUIRED: clients send an IAM token in the password's place."""

    client_password_auth_type: ClientPasswordAuthType = "POSTGRES_SCRAM_SHA_256"
    """How clients prove that they know the password."""

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
    """An access key whose tokens are accepted, beside those of the AWS environment and
    of the shared credentials file."""

    secret_access_key: SecretStr
    """That key's secret."""

    session_token: SecretStr | None = None
    """That key's session token, where the key is a temporary one."""


class IamSettings(BaseModel):
    """What IAM tokens must be made for, and by whom."""

    model_config = SETTINGS

    region: str | None = None
    """The region of tokens. Without one, the AWS environment's, else us-east-1."""

    hosts: tuple[str, ...] = ()
    """Hosts that tokens may be for, beside the endpoint's own names."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port that tokens are for, where a container publishes another than the one
    listened on."""

    access_keys: tuple[IamAccessKey, ...] = ()


class SecretsManagerSettings(BaseModel):
    """Where ``secret_arn`` is looked up."""

    model_config = SETTINGS

    endpoint_url: str | None = None
    """Where Secrets Manager is, if not at AWS: LocalStack's address, say."""

    region: str | None = None
    """Its region. Without one, the AWS environment's."""

    refresh_interval: Annotated[float, Field(gt=0)] = 60
    """Seconds that a secret serves logins before the next one reads it again."""
