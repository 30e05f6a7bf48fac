"""The server of a fuzzer: two equal databases, one of them behind a proxy.

Owns their tables, which are the same before each script.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg

from tests.harness import Endpoint, Postgres, RunningProxy, proxy_settings

CLIENTS: Final = 4
BORROW_TIMEOUT: Final = 30  # seconds; longer than a script waits for a message

Monitor = psycopg.Connection[Any]


def table(client: int) -> str:
    """Return the name of the table that only this client uses."""
    return f"own{client}"


CREATE: Final = "".join(
    f"CREATE TABLE {table(client)} (id int PRIMARY KEY, name text);"
    for client in range(CLIENTS)
)
RENEW: Final = "".join(
    f"DELETE FROM {table(client)}; DROP TABLE IF EXISTS new_{table(client)};"
    for client in range(CLIENTS)
)


class Stage:
    """Two databases on one server, and a connection to each that is not compared."""

    def __init__(self, postgres: Postgres, monitors: tuple[Monitor, Monitor]) -> None:
        self.postgres = postgres
        self.monitors = monitors

    @property
    def direct(self) -> Endpoint:
        return self.postgres.endpoint(self.monitors[0].info.dbname)

    def renew(self) -> None:
        """Empty the tables and drop what scripts have created."""
        for monitor in self.monitors:
            monitor.execute(RENEW)

    def proxy(self) -> RunningProxy:
        """Return a proxy, not started, with one connection to the second database."""
        settings = proxy_settings(
            max_connections=1,
            connection_pool={"connection_borrow_timeout": BORROW_TIMEOUT},
        )
        return RunningProxy(settings, self.postgres, self.monitors[1].info.dbname)

    def rows(self, client: int) -> tuple[list[Any], list[Any]]:
        """Return the rows of the client's table in both databases."""
        sql = f"SELECT * FROM {table(client)} ORDER BY id"
        first, second = (monitor.execute(sql).fetchall() for monitor in self.monitors)
        return first, second


@contextmanager
def new_stage(postgres: Postgres) -> Iterator[Stage]:
    with (
        postgres.new_database() as one,
        postgres.new_database() as other,
        closing(postgres.connect(one)) as first,
        closing(postgres.connect(other)) as second,
    ):
        for monitor in (first, second):
            monitor.execute(CREATE)
        yield Stage(postgres, (first, second))
