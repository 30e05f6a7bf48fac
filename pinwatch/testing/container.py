"""pinwatch in a container, in the style of testcontainers' own modules.

Owns the image's ports and variables. The proxy in the container accepts every client as
the target's role, without a password: it is for tests.
"""

import json
from secrets import token_urlsafe
from typing import Any, Final, Protocol
from urllib.parse import quote
from urllib.request import Request, urlopen

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from pinwatch.config.target import Target

IMAGE: Final = "pinwatch:latest"
PORT: Final = 6432
HTTP_PORT: Final = 9632
ANYWHERE: Final = "0.0.0.0"


class Postgres(Protocol):
    """The attributes of a PostgresContainer that are used."""

    username: str
    password: str
    dbname: str
    port: int


class PinwatchContainer(DockerContainer):
    """A proxy in front of a PostgreSQL that its container can reach.

    ``target`` is a libpq URL, or a PostgresContainer together with its ``alias`` in the
    shared network. ``settings`` are those of docs/configuration.md. Example::

        with (
            Network() as network,
            PostgresContainer("postgres:17")
            .with_network(network)
            .with_network_aliases("postgres") as postgres,
            PinwatchContainer(postgres, "postgres").with_network(network) as pinwatch,
        ):
            engine = sqlalchemy.create_engine(pinwatch.get_connection_url("psycopg"))
    """

    def __init__(
        self,
        target: Postgres | str,
        alias: str | None = None,
        image: str = IMAGE,
        driver: str | None = None,
        settings: dict[str, Any] | None = None,
        **docker: Any,
    ) -> None:
        super().__init__(image=image, **docker)
        self.driver = driver
        url = _url(target, alias)
        parsed = Target.parse(url)
        self.username, self.dbname = parsed.user, parsed.database
        self.with_exposed_ports(PORT, HTTP_PORT)
        self.with_env("PINWATCH_TARGET", url)
        self.with_env("PINWATCH_LISTEN", f"{ANYWHERE}:{PORT}")
        self.with_env("PINWATCH_HTTP", f"{ANYWHERE}:{HTTP_PORT}")
        self.with_env("PINWATCH_INSECURE_TRUST", "true")
        given = {"http_token": token_urlsafe()} | (settings or {})
        self.http_token = str(given["http_token"])
        for name, value in given.items():
            variable = name.upper().replace(".", "__")
            self.with_env(f"PINWATCH_{variable}", str(value))
        self.waiting_for(HttpWaitStrategy(HTTP_PORT, "/healthz"))

    def get_connection_url(
        self, driver: str | None = None, host: str | None = None
    ) -> str:
        """Return a postgresql:// URL, or postgresql+driver:// as SQLAlchemy takes."""
        driver = driver or self.driver
        scheme = "postgresql" if driver is None else f"postgresql+{driver}"
        where = f"{host or self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"
        user, database = quote(self.username, safe=""), quote(self.dbname, safe="")
        return f"{scheme}://{user}@{where}/{database}"

    def get_http_url(self) -> str:
        """Return the URL for ``pinwatch check --url``, which also needs http_token."""
        host, port = self.get_container_host_ip(), self.get_exposed_port(HTTP_PORT)
        return f"http://{host}:{port}"

    def get_pins(self) -> list[dict[str, Any]]:
        """Return all pins since the start, as GET /api/pins does."""
        return self._get("/api/pins")

    def get_leaks(self) -> list[dict[str, Any]]:
        """Return all leaks since the start, as GET /api/leaks does.

        pinwatch looks for them with the setting hidden_state="report".
        """
        return self._get("/api/leaks")

    def _get(self, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.http_token}"}
        request = Request(f"{self.get_http_url()}{path}", headers=headers)
        with urlopen(request) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


def _url(target: Postgres | str, alias: str | None) -> str:
    if isinstance(target, str):
        return target
    if alias is None:
        raise ValueError(
            "alias is missing: give the PostgresContainer's alias in the network."
        )
    user, password = quote(target.username, safe=""), quote(target.password, safe="")
    database = quote(target.dbname, safe="")
    return f"postgresql://{user}:{password}@{alias}:{target.port}/{database}"
