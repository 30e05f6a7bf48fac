"""The settings: their names, types, ranges and defaults, and what each is for.

Those that Amazon RDS Proxy has carry the names of its API (CreateDBProxy,
ConnectionPoolConfig) in snake case. Where they come from is pinwatch.config.load's.
"""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pinwatch.config.auth import (
    AuthEntry,
    DefaultAuthScheme,
    IamSettings,
    SecretsManagerSettings,
)

SETTINGS: Final = ConfigDict(
    extra="forbid",
    frozen=True,
    allow_inf_nan=False,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)


class Address(NamedTuple):
    """Where to listen: a name or an IP address, and a port; port 0 is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """From "127.0.0.1:6432", "[::1]:6432" or "localhost:0"; raises ValueError."""
        host, colon, port = str(text).rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not (
            colon
            and host.strip("[]")
            and bracketed == (":" in host)
            and (port.isascii() and port.isdigit() and int(port) <= 65535)
        ):
            raise ValueError(
                "HOST:PORT, such as 127.0.0.1:6432 or [::1]:6432, "
                "with a port from 0 to 65535"
            )
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect; of names, only localhost is sure."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _address(given: object) -> Address:
    return given if isinstance(given, Address) else Address.parse(given)


def _address_or_off(given: object) -> Address | None:
    if given is None or given == "off":
        return None
    try:
        return _address(given)
    except ValueError as error:
        raise ValueError(f"off or {error}") from None


AddressSetting = Annotated[
    Address,
    PlainValidator(_address),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "HOST:PORT"}),
]
OptionalAddressSetting = Annotated[
    Address | None,
    PlainValidator(_address_or_off),
    PlainSerializer(lambda address: str(address or "off")),
    WithJsonSchema({"type": "string", "format": "off or HOST:PORT"}),
]


def _state_folder() -> Path:
    """https://specifications.freedesktop.org/basedir-spec/latest/

    Root's is in /var/lib: the embedded PostgreSQL runs as a user of its own there,
    who would need a way into root's home.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    home = Path("/var/lib") if is_root else Path.home() / ".local" / "state"
    return Path(os.environ.get("XDG_STATE_HOME") or home) / "pinwatch"


ProfileName = Literal["rds-2023-11", "rds-2020-06", "lenient"]


class ConnectionPool(BaseModel):
    """ConnectionPoolConfig of the API."""

    model_config = SETTINGS

    max_connections_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """The cap on database connections, as a percentage of the target's
    max_connections."""

    max_idle_connections_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """How many database connections that nobody used for five minutes stay open, as a
    percentage of the target's max_connections. Without one, half of
    max_connections_percent."""

    connection_borrow_timeout: Annotated[float, Field(ge=0, le=300)] = 120
    """Seconds that a client waits for a database connection; 0 fails at once where
    none is idle."""

    init_query: str | None = None
    """SQL that each new database connection runs once, such as
    "SET timezone TO utc; SET statement_timeout TO 30000"."""

    session_pinning_filters: tuple[str, ...] = ()
    """Refused: RDS Proxy has filters for MySQL only."""

    @property
    def max_idle_percent(self) -> float:
        given = self.max_idle_connections_percent
        return self.max_connections_percent / 2 if given is None else given

    @field_validator("session_pinning_filters")
    @classmethod
    def _no_filters(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if given:
            raise ValueError(
                "it must be empty, because RDS Proxy supports session pinning filters "
                "for the MySQL engine family only"
            )
        return given

    @model_validator(mode="after")
    def _idle_within_cap(self) -> Self:
        idle, most = self.max_idle_connections_percent, self.max_connections_percent
        if idle is not None and idle > most:
            raise ValueError(
                f"max_idle_connections_percent is {idle}, but must be a whole number "
                f"from 0 to max_connections_percent, which is {most}"
            )
        return self


class Tls(BaseModel):
    """What the proxy shows clients that ask for TLS."""

    model_config = SETTINGS

    certificate: Path | None = None
    """The certificate, in PEM, its chain after it. Without one, pinwatch makes a local
    authority and a certificate for localhost, kept in the state folder."""

    key: Path | None = None
    """The certificate's key, in PEM, where its own file does not hold it."""

    names: tuple[str, ...] = ()
    """Names and addresses, beside localhost, that the made certificate is for."""


DEFAULT: Final = "default"
"""The endpoint that listen is."""

TargetRole = Literal["READ_WRITE", "READ_ONLY"]
Name = Annotated[
    str,
    Field(
        max_length=63,
        pattern=r"^[a-zA-Z](?:-?[a-zA-Z0-9]+)*$",
        json_schema_extra={
            "format": "at most 63 letters, digits and single hyphens, beginning with a "
            "letter"
        },
    ),
]
"""As DBProxyEndpointName in the API."""


class TargetEntry(BaseModel):
    """One server of several."""

    model_config = SETTINGS

    name: Name
    """What it is called in metrics, in the log and by pinwatch failover."""

    url: Annotated[str, Field(repr=False, json_schema_extra={"writeOnly": True})]
    """Its libpq URL."""

    role: TargetRole = "READ_WRITE"
    """READ_ONLY: a reader, until it is the only one that can be written to."""


class EndpointEntry(BaseModel):
    """One more place where clients connect, beside listen."""

    model_config = SETTINGS

    name: Name
    """What it is called in metrics and in the log."""

    listen: AddressSetting
    """Where its clients connect."""

    target_role: TargetRole = "READ_WRITE"
    """READ_ONLY: its clients are served by readers."""


class Settings(BaseModel):
    """All of them; a default is what a newcomer's `pinwatch up` uses."""

    model_config = SETTINGS

    target: str | None = Field(default=None, repr=False)
    """The PostgreSQL server behind the proxy, as a libpq URL. Without one, pinwatch
    starts its embedded PostgreSQL."""

    targets: tuple[TargetEntry, ...] = ()
    """Several servers instead of target: one that is written to, and its replicas."""

    engine_family: Literal["POSTGRESQL"] = "POSTGRESQL"
    """What the targets are."""

    listen: AddressSetting = Address("127.0.0.1", 6432)
    """Where clients connect. Addresses that other machines reach need an auth entry,
    or insecure_trust."""

    http: OptionalAddressSetting = Address("127.0.0.1", 9632)
    """Where the HTTP side listens. Addresses that other machines reach need
    http_token."""

    http_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """What who asks the HTTP side has to show: as Bearer, or once in /?token=... which
    sets a cookie."""

    state_folder: Path = Field(default_factory=_state_folder)
    """What is kept between starts: the embedded PostgreSQL's data, certificates.
    Without this setting it is pinwatch in $XDG_STATE_HOME, else in ~/.local/state, or
    in /var/lib for root."""

    db_proxy_name: Name = "pinwatch"
    """What the proxy is called in metrics."""

    endpoints: tuple[EndpointEntry, ...] = ()
    """More places where clients connect."""

    max_connections: Annotated[int, Field(ge=1)] | None = None
    """The cap on database connections as a plain number, instead of a percentage."""

    connection_pool: ConnectionPool = ConnectionPool()

    cancel: Literal["ignore", "forward"] = "ignore"
    """What becomes of a cancel request: ignored, as RDS Proxy does, or forwarded to
    the database."""

    auth: tuple[AuthEntry, ...] = ()
    """Who may log in, and where their secrets are. Without an entry, clients on this
    machine need no password."""

    default_auth_scheme: DefaultAuthScheme = "NONE"
    """IAM_AUTH: every role logs in with an IAM token, and needs no entry."""

    iam: IamSettings = IamSettings()

    secrets_manager: SecretsManagerSettings = SecretsManagerSettings()

    require_tls: bool = False
    """Refuse clients that do not use TLS. How the database is reached is for its URL
    to say, by sslmode."""

    tls: Tls = Tls()

    shutdown_grace: Annotated[float, Field(ge=0)] = 10
    """Seconds that transactions get to end when pinwatch is stopped."""

    max_prepared_statements: Annotated[int, Field(ge=1)] = 100
    """Prepared statements that are kept on each database connection."""

    max_prepared_statement_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """Bytes that one client's prepared statements may take; a Parse past it fails."""

    max_client_connections: Annotated[int, Field(ge=1)] = 10_000
    """Clients that may be connected at a time."""

    idle_client_timeout: Annotated[int, Field(ge=1, le=28800)] = 1800
    """Seconds after a client's last request when it is closed."""

    authentication_timeout: Annotated[float, Field(gt=0)] = 60
    """Seconds that a client gets to log in."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are logged."""

    debug_logging: bool = False
    """Log the details of logins and connections, as DebugLogging does."""

    event_log: Path | None = None
    """A file that gets a line of JSON for each pin."""

    event_log_max_bytes: Annotated[int, Field(ge=1)] = 10_000_000
    """Its size, beyond which it is renamed and begun anew."""

    event_log_backups: Annotated[int, Field(ge=1)] = 5
    """So many of the renamed are kept."""

    profile: ProfileName = "rds-2023-11"
    """The rules of pinning: of RDS Proxy since November 2023; before it, when any Parse
    message pinned; or lenient, where what is contested does not pin."""

    insecure_trust: bool = False
    """Let clients from other machines in without a password."""

    allow_faults: bool = False
    """Let faults be made on demand even where the HTTP side listens on an address that
    other machines reach."""

    time_scale: Annotated[float, Field(gt=0)] = 1
    """How many seconds of the settings pass in one, for tests of long timeouts."""

    @model_validator(mode="after")
    def _no_open_door(self) -> Self:
        checked = self.auth or self.default_auth_scheme == "IAM_AUTH"
        for name, listen in self.listens.items():
            if not (listen.is_loopback or checked or self.insecure_trust):
                raise ValueError(
                    f"{name} is {listen}, but must be a loopback address unless "
                    "there is an [[auth]] entry or insecure_trust is on, because "
                    "clients need no password"
                )
        return self

    @property
    def listens(self) -> dict[str, Address]:
        """Every address for clients, by the setting that has it."""
        return {"listen": self.listen} | {
            f"endpoints.{one.name}": one.listen for one in self.endpoints
        }

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        for setting, entries in (
            ("targets", self.targets),
            ("endpoints", self.endpoints),
        ):
            names = [entry.name for entry in entries]
            for name in names:
                if names.count(name) > 1 or (setting, name) == ("endpoints", DEFAULT):
                    raise ValueError(f"{setting} has {name} twice")
        return self

    @model_validator(mode="after")
    def _one_writer(self) -> Self:
        if self.targets and self.target is not None:
            raise ValueError("target and targets are both given, but must not be")
        if self.targets and all(one.role == "READ_ONLY" for one in self.targets):
            raise ValueError("targets must have one whose role is READ_WRITE")
        return self

    @model_validator(mode="after")
    def _no_open_window(self) -> Self:
        if self.http and not self.http.is_loopback and self.http_token is None:
            raise ValueError(
                f"http is {self.http}, but must be a loopback address unless "
                "http_token is set, because it shows SQL to whoever asks"
            )
        return self
