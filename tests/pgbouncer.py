"""A real PgBouncer in front of a test's server, pooling transactions."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from bench import process
from tests.harness import Endpoint, Postgres

CONFIGURATION: Final = """
[databases]
* = host={server} port={server_port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
"""


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """A running PgBouncer, with one database connection for each user."""

    port: int
    database: str

    def endpoint(self, user: str) -> Endpoint:
        return Endpoint(process.LOOPBACK, self.port, user, self.database)


@contextmanager
def pgbouncer(postgres: Postgres, database: str, *users: str) -> Iterator[PgBouncer]:
    """Run PgBouncer for these users; skip the test if it is not installed."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    with TemporaryDirectory(prefix="pinwatch-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = process.free_port()
        names, configuration = folder / "users.txt", folder / "pgbouncer.ini"
        names.write_text("".join(f'"{user}" ""\n' for user in users))
        configuration.write_text(
            CONFIGURATION.format(
                server=postgres.server.host,
                server_port=postgres.server.port,
                host=process.LOOPBACK,
                port=port,
                users=names,
            )
        )
        with process.listening(
            [program, configuration],
            port=port,
            log=folder / "log",
            user=process.unprivileged(),
        ):
            yield PgBouncer(port, database)
