"""The PostgreSQL server that all subjects connect to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import install, process

DATABASE: Final = "postgres"
PATIENCE: Final = 20.0  # seconds until the server accepts connections
PASSWORD: Final = "correct-horse"
ROLES: Final = {"trust": "bench", "scram": "bench_scram"}
"""The role for each kind of login."""

_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
max_connections = 1100
shared_buffers = 128MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
checkpoint_timeout = 1h
max_wal_size = 4GB
log_min_messages = warning
"""

_LOGINS: Final = """
local all all trust
host all bench_scram 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""

_SETUP: Final = f"""
CREATE ROLE bench LOGIN IN ROLE pg_read_all_data, pg_write_all_data;
CREATE ROLE bench_scram LOGIN PASSWORD '{PASSWORD}' IN ROLE bench;
CREATE TABLE copied (body text);
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL: process id, port and the SCRAM secret of bench_scram."""

    pid: int
    port: int
    scram_secret: str


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run PostgreSQL 18 on a new data directory in folder, with pgbench's tables.

    Durability is off, because only reads and discarded copies are measured.
    """
    user = process.unprivileged()
    data = folder / "data"
    data.mkdir()
    process.give_to(user, data)
    port = process.free_port()
    _run(
        user,
        data,
        install.postgresql("initdb"),
        *("--pgdata", data, "--username", "postgres", "--auth", "trust"),
        *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions"),
    )
    settings = f"{_SETTINGS}port = {port}\nunix_socket_directories = '{data}'\n"
    with (data / "postgresql.conf").open("a") as file:
        file.write(settings)
    (data / "pg_hba.conf").write_text(_LOGINS)
    command: list[str | Path] = [install.postgresql("postgres"), "-D", data]
    log = folder / "postgresql.log"
    with process.listening(command, port=port, log=log, user=user) as pid:
        where = ("-h", "127.0.0.1", "-p", str(port), "-d", DATABASE)
        _wait_until_ready(where)
        psql = (install.postgresql("psql"), "-X", "-qAt", "-v", "ON_ERROR_STOP=1")
        _run(user, data, *psql, *where, "-U", "postgres", "-c", _SETUP)
        pgbench = install.postgresql("pgbench")
        _run(user, data, pgbench, *where, "-U", "postgres", "-i", "-s", "1", "-q")
        secret = "SELECT rolpassword FROM pg_authid WHERE rolname = 'bench_scram'"
        scram = _run(user, data, *psql, *where, "-U", "postgres", "-c", secret)
        yield Server(pid, port, scram.strip())


def _wait_until_ready(where: tuple[str, ...]) -> None:
    """Wait until the server accepts connections; it listens before that."""
    deadline = time.monotonic() + PATIENCE
    while subprocess.run([install.postgresql("pg_isready"), "-q", *where]).returncode:
        if time.monotonic() > deadline:
            raise process.NotStarted(
                f"PostgreSQL accepts no login for {PATIENCE:.0f} s"
            )
        time.sleep(0.02)


def _run(user: str | None, folder: Path, *command: str | Path) -> str:
    """Return the output of a command that must succeed."""
    done = subprocess.run(
        command, user=user, cwd=folder, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise process.NotStarted(f"{command[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout
