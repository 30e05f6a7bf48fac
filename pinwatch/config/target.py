"""The target's address and login, from a subset of libpq's connection URLs.

It reads no environment and no password file, and does not connect.
"""

import getpass
import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, unquote, urlencode

from pinwatch.errors import SettingError
from pinwatch.text import host_and_port

DEFAULT_PORT: Final = 5432
SSL_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS: Final = (
    "dbname",
    "host",
    "password",
    "port",
    "sslmode",
    "sslrootcert",
    "user",
)

# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS
URL: Final = re.compile(
    r"""
    postgres(?:ql)?://
    (?:(?P<user>[^/?:@]*)(?::(?P<password>[^/@]*))?@)?
    (?P<host>\[[^]]*]|[^/?:]*)
    (?::(?P<port>[^/?]*))?
    (?:/(?P<dbname>[^?]*))?
    (?:\?(?P<parameters>.*))?
    """,
    re.VERBOSE,
)
NOT_ENCODED: Final = re.compile(r"%(?![0-9a-fA-F]{2})|%00")


@dataclass(frozen=True, slots=True)
class Target:
    """The PostgreSQL server behind the proxy, and how the proxy logs in to it.

    ``host`` is a name, an IP address, or, if it begins with "/", the folder of the
    server's Unix socket. ``any_role`` is true if the server accepts every role without
    a password, so that clients can log in as any role.
    """

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    database: str
    sslmode: str
    sslrootcert: str | None
    any_role: bool = False

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, or None for a TCP target."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host[0] == "/" else None

    @property
    def address(self) -> str:
        """The address to show: the Unix socket's path, or host:port."""
        return self.socket_path or host_and_port(self.host, self.port)

    @property
    def url(self) -> str:
        """The connection URL without the password."""
        where = {"host": self.host, "port": self.port, "sslmode": self.sslmode}
        if self.sslrootcert is not None:
            where["sslrootcert"] = self.sslrootcert
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        return f"postgresql://{user}@/{database}?{urlencode(where, quote_via=quote)}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL with libpq's precedence and defaults.

        A parameter after "?" overrides the same part before it. The default host is
        localhost, the default user that of the operating system, and the default
        database the user's name. Raises SettingError, which never quotes the password.
        """
        parts = _parts(url)
        user = parts.get("user") or getpass.getuser()
        return cls(
            host=_host(parts.get("host") or "localhost"),
            port=_port(parts.get("port") or str(DEFAULT_PORT)),
            user=user,
            password=parts.get("password"),
            database=parts.get("dbname") or user,
            sslmode=_sslmode(parts.get("sslmode") or "prefer"),
            sslrootcert=parts.get("sslrootcert"),
        )


def _parts(url: str) -> dict[str, str]:
    match = URL.fullmatch(url)
    if match is None:
        raise SettingError(
            "target must be a URL of the form "
            "postgresql://user:password@host:port/database."
        )
    parts = {name: text for name, text in match.groupdict().items() if text is not None}
    parts["host"] = parts["host"].removeprefix("[").removesuffix("]")
    for parameter in filter(None, parts.pop("parameters", "").split("&")):
        name, _, value = parameter.partition("=")
        if name not in PARAMETERS:
            raise SettingError(
                f"target has the parameter {name}, but may only have "
                f"{', '.join(PARAMETERS[:-1])} and {PARAMETERS[-1]}."
            )
        parts[name] = value
    return {name: _decode(name, text) for name, text in parts.items()}


def _decode(name: str, text: str) -> str:
    try:
        if NOT_ENCODED.search(text):
            raise ValueError
        return unquote(text, errors="strict")
    except ValueError:
        raise SettingError(
            f"The {name} of target must be percent-encoded UTF-8: write %25 for a "
            "percent sign."
        ) from None


def _host(host: str) -> str:
    if "," in host:
        raise SettingError(f"target has the hosts {host}, but must have a single one.")
    return host


def _port(port: str) -> int:
    """Parse the port; errors do not quote it, as it may be a part of a password."""
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise SettingError(
            "The port of target must be a whole number from 1 to 65535; a password is "
            "percent-encoded, with %2F for a slash."
        )
    return int(port)


def _sslmode(sslmode: str) -> str:
    if sslmode not in SSL_MODES:
        raise SettingError(
            f"The sslmode of target is {sslmode}, but must be "
            f"{', '.join(SSL_MODES[:-1])} or {SSL_MODES[-1]}."
        )
    return sslmode
