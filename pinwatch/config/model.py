"""The settings: their names, types, ranges, defaults and descriptions.

Settings that Amazon RDS Proxy has too carry the names of its API (CreateDBProxy,
ConnectionPoolConfig) in snake case. pinwatch.config.load owns their sources.
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
from pinwatch.text import host_and_port

SETTINGS: Final = ConfigDict(
    extra="forbid",
    frozen=True,
    allow_inf_nan=False,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)


class Address(NamedTuple):
    """An address to listen on: a name or an IP address, and a port; 0 is any free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse "127.0.0.1:6432", "[::1]:6432" or "localhost:0"; raises ValueError."""
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
        """True if only this machine can connect; the only such name is localhost."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)


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


HiddenState = Literal["off", "report", "reset"]
ProfileName = Literal["rds-2023-11", "rds-2020-06", "lenient"]


class ConnectionPool(BaseModel):
    """Settings of the connection pool: ConnectionPoolConfig of the API."""

    model_config = SETTINGS

    max_connections_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Cap on database connections, as a percentage of the target's
    `max_connections`."""

    max_idle_connections_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Cap on idle database connections, as a percentage of the target's
    `max_connections`. A connection counts as idle after five minutes without use.
    Default: half of `max_connections_percent`."""

    connection_borrow_timeout: Annotated[float, Field(ge=0, le=300)] = 120
    """Seconds that a client waits for a database connection. With 0, a borrow fails at
    once if no connection is idle."""

    init_query: str | None = None
    """SQL that runs once on each new database connection, for example `SET timezone TO
    utc; SET statement_timeout TO 30000`."""

    session_pinning_filters: tuple[str, ...] = ()
    """Must be empty: RDS Proxy supports session pinning filters for MySQL only."""

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
    """TLS between clients and the proxy."""

    model_config = SETTINGS

    certificate: Path | None = None
    """PEM file with the certificate, followed by its chain. Without it, pinwatch
    creates a local CA and a certificate for localhost and keeps both in the state
    folder."""

    key: Path | None = None
    """PEM file with the certificate's key, if the certificate's file does not contain
    it."""

    names: tuple[str, ...] = ()
    """Names and addresses for the generated certificate, in addition to localhost."""


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
    """One of several database servers."""

    model_config = SETTINGS

    name: Name
    """Name of the target in metrics, in the log and in `pinwatch failover --to`."""

    url: Annotated[str, Field(repr=False, json_schema_extra={"writeOnly": True})]
    """libpq URL of the target."""

    role: TargetRole = "READ_WRITE"
    """READ_ONLY: at the start, the target becomes the writer only if no READ_WRITE
    target accepts writes."""


class EndpointEntry(BaseModel):
    """An additional address where clients connect."""

    model_config = SETTINGS

    name: Name
    """Name of the endpoint in metrics and in the log."""

    listen: AddressSetting | None = None
    """Address where the endpoint's clients connect. Default: the host of `listen`, with
    a port from 20000 that depends on `db_proxy_name` and the endpoint's name, or the
    next port that is free."""

    target_role: TargetRole = "READ_WRITE"
    """READ_ONLY sends the endpoint's clients to readers."""


class LintSettings(BaseModel):
    """Settings of `pinwatch lint`; its paths are relative to the file's folder."""

    model_config = SETTINGS

    paths: tuple[str, ...] = ()
    """Files and folders that `pinwatch lint` reads if it is given none."""

    exclude: tuple[str, ...] = ()
    """Patterns, as in `.gitignore`, of files that are left out, even if they are named
    on the command line."""

    allow: dict[str, tuple[str, ...]] = {}
    """Rules that may pin, for each pattern of files: `"migrations/" = ["set"]`."""

    baseline: Path | None = None
    """File of known pins, which are not reported."""

    @field_validator("allow", mode="before")
    @classmethod
    def _lists_of_rules(cls, given: object) -> object:
        for pattern, rules in given.items() if isinstance(given, dict) else ():
            if not isinstance(rules, list | tuple) or not all(
                isinstance(rule, str) for rule in rules
            ):
                raise ValueError(f"{pattern} must be a list of rules")
        return given


class Settings(BaseModel):
    """All settings. The defaults are what `pinwatch up` uses without options."""

    model_config = SETTINGS

    target: str | None = Field(default=None, repr=False)
    """The PostgreSQL server behind the proxy, as a libpq URL. Without it, pinwatch
    starts its embedded PostgreSQL."""

    targets: tuple[TargetEntry, ...] = ()
    """Several servers instead of `target`: a writer and its replicas."""

    wait: Annotated[float, Field(ge=0)] = 0
    """Seconds for which the start retries a target that cannot be reached yet. A login
    that is refused is not retried. Of several targets, those of the role READ_WRITE are
    waited for, until one accepts writes."""

    engine_family: Literal["POSTGRESQL"] = "POSTGRESQL"
    """Engine of the targets."""

    listen: AddressSetting = Address("127.0.0.1", 6432)
    """Address of the default endpoint, where clients connect. An address that other
    machines can reach needs an `[[auth]]` entry, `default_auth_scheme = "IAM_AUTH"` or
    `insecure_trust`."""

    http: OptionalAddressSetting = Address("127.0.0.1", 9632)
    """Address of the HTTP API and the live page. An address that other machines can
    reach needs `http_token`."""

    http_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Token that HTTP clients must send, as `Authorization: Bearer` or once as
    `/?token=...`, which sets a cookie."""

    state_folder: Path = Field(default_factory=_state_folder)
    """Folder for what survives a restart: the embedded PostgreSQL's data, and
    certificates. Default: `pinwatch` in `$XDG_STATE_HOME`, else in `~/.local/state`, or
    in `/var/lib` for root."""

    db_proxy_name: Name = "pinwatch"
    """Name of the proxy in metrics."""

    endpoints: tuple[EndpointEntry, ...] = ()
    """Additional addresses where clients connect."""

    max_connections: Annotated[int, Field(ge=1)] | None = None
    """Cap on database connections as a plain number, in place of a percentage."""

    connection_pool: ConnectionPool = ConnectionPool()

    release_on_ddl: bool = False
    """Before DROP DATABASE, ALTER DATABASE ... RENAME TO or SET TABLESPACE, and CREATE
    DATABASE, close the idle connections to the database that the statement needs free.
    RDS Proxy keeps them, and the statement fails."""

    cancel: Literal["ignore", "forward"] = "ignore"
    """Ignore cancel requests, as RDS Proxy does, or forward them to the database."""

    auth: tuple[AuthEntry, ...] = ()
    """Roles that may log in, and their secrets. Without an entry, clients on this
    machine need no password."""

    default_auth_scheme: DefaultAuthScheme = "NONE"
    """IAM_AUTH: every role logs in with an IAM token and needs no `[[auth]]` entry."""

    iam: IamSettings = IamSettings()

    secrets_manager: SecretsManagerSettings = SecretsManagerSettings()

    require_tls: bool = False
    """Reject clients that do not use TLS. `sslmode` in the target's URL decides about
    TLS to the database."""

    tls: Tls = Tls()

    shutdown_grace: Annotated[float, Field(ge=0)] = 10
    """Seconds that open transactions may take to end when pinwatch stops."""

    max_prepared_statements: Annotated[int, Field(ge=1)] = 100
    """Prepared statements to keep on each database connection."""

    max_prepared_statement_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """Bytes that one client's prepared statements may take; a Parse past it fails."""

    max_client_connections: Annotated[int, Field(ge=1)] = 10_000
    """Maximum number of client connections at a time. A further one gets FATAL 53300
    after its startup packet. Connections that have sent no startup packet may take the
    free places and 100 more, for `authentication_timeout`; beyond that, the oldest of
    them is closed with the same error."""

    idle_client_timeout: Annotated[int, Field(ge=1, le=28800)] = 1800
    """Seconds for which the proxy waits for a client before it disconnects it. The wait
    is for the next request; beyond RDS Proxy's documentation also for the rest of a
    request, for COPY data, or for the client to read a result."""

    authentication_timeout: Annotated[float, Field(gt=0)] = 60
    """Seconds that a client may take to log in."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the lines that are logged."""

    debug_logging: bool = False
    """Log details of logins and connections, as DebugLogging does."""

    event_log: Path | None = None
    """File that receives one line of JSON per pin and per leak."""

    event_log_max_bytes: Annotated[int, Field(ge=1)] = 10_000_000
    """Size at which the event log is rotated."""

    event_log_backups: Annotated[int, Field(ge=1)] = 5
    """Number of rotated event logs to keep."""

    profile: ProfileName = "rds-2023-11"
    """Rules of pinning: `rds-2023-11` is RDS Proxy since November 2023, `rds-2020-06`
    is RDS Proxy before that, when any Parse message pinned, and `lenient` does not pin
    where the rule is contested."""

    hidden_state: HiddenState = "off"
    """Probes for state that RDS Proxy does not see. `report`: after a statement that
    may run a function, a trigger or a DO block, report the state that stays on the
    database connection. `reset`: also restore the connection, which RDS Proxy does not
    do."""

    insecure_trust: bool = False
    """Accept clients from other machines without a password."""

    allow_faults: bool = False
    """Allow faults on demand even if other machines can reach the HTTP address."""

    time_scale: Annotated[float, Field(gt=0)] = 1
    """Seconds that pass in one, for tests of long timeouts. Network timeouts are not
    scaled."""

    lint: LintSettings = LintSettings()

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
        """The addresses for clients that are set, by setting."""
        return {"listen": self.listen} | {
            f"endpoints.{one.name}": one.listen for one in self.endpoints if one.listen
        }

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
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
    def _http_is_protected(self) -> Self:
        if self.http and not self.http.is_loopback and self.http_token is None:
            raise ValueError(
                f"http is {self.http}, but must be a loopback address unless "
                "http_token is set, because it shows SQL to everyone who can connect"
            )
        return self
