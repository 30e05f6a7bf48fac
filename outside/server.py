"""The PostgreSQL server that the suites run against: Debian's."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import process
from outside.commands import Broken

USER: Final = "postgres"
DATABASE: Final = "outside"
PASSWORD: Final = "unused"
"""The server does not ask for it, but some suites need one in the URL."""
PATIENCE: Final = 120.0  # seconds until the server accepts connections

_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
max_connections = 200
max_prepared_transactions = 20
wal_level = logical
shared_buffers = 128MB
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
log_min_messages = fatal
log_statement = none
"""

_LOGINS: Final = """
local all all trust
host all all 127.0.0.1/32 trust
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The address that a suite connects to: the server's or a proxy's.

    ``direct`` is the server's own port, for what a suite prepares.
    """

    port: int
    direct: int
    database: str = DATABASE
    user: str = USER
    host: str = process.LOOPBACK

    def url(self, scheme: str = "postgresql") -> str:
        """Return the libpq URL."""
        where = f"{self.host}:{self.port}/{self.database}"
        return f"{scheme}://{self.user}:{PASSWORD}@{where}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables of libpq."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGSSLMODE": "disable",
        }


class Servers:
    """Starts servers from copies of one new data directory."""

    def __init__(self, folder: Path) -> None:
        self.programs = programs()
        self.version = version(self.programs)
        self._folder = folder
        self._template = folder / "template"
        self._user = process.unprivileged()
        self._create()

    @contextmanager
    def running(self, name: str, setup: Sequence[str]) -> Iterator[int]:
        """Run a new server, and ``setup`` in the database; yield the server's port."""
        data = self._folder / name
        subprocess.run(["cp", "-a", self._template, data], check=True)
        port = process.free_port()
        command: list[str | Path] = [self.programs / "postgres", "-D", data]
        command += ["-p", str(port), "-k", data]
        log = self._folder / f"{name}.log"
        try:
            with process.listening(
                command, port=port, log=log, user=self._user, patience=PATIENCE
            ):
                self._wait_until_ready(port)
                self._sql(port, "postgres", [f"CREATE DATABASE {DATABASE}"])
                self._sql(port, DATABASE, setup)
                yield port
        finally:
            shutil.rmtree(data, ignore_errors=True)

    def _sql(self, port: int, database: str, statements: Sequence[str]) -> None:
        """Run statements, each in a transaction of its own."""
        command = (self.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1")
        where = ("-h", process.LOOPBACK, "-p", str(port), "-U", USER, "-d", database)
        if texts := [part for text in statements for part in ("-c", text)]:
            self._must([*command, *where, *texts])

    def _create(self) -> None:
        self._template.mkdir()
        process.give_to(self._user, self._template)
        initdb = (self.programs / "initdb", "--pgdata", self._template)
        options = ("--username", USER, "--auth", "trust", "--encoding", "UTF8")
        self._must([*initdb, *options, "--no-locale", "--no-sync"])
        with (self._template / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        (self._template / "pg_hba.conf").write_text(_LOGINS)

    def _wait_until_ready(self, port: int) -> None:
        ready = (self.programs / "pg_isready", "-q", "-h", process.LOOPBACK)
        deadline = time.monotonic() + PATIENCE
        while subprocess.run([*ready, "-p", str(port)]).returncode:
            if time.monotonic() > deadline:
                raise Broken(f"PostgreSQL accepts no login for {PATIENCE:.0f} s")
            time.sleep(0.02)

    def _must(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            command, user=self._user, cwd="/", capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Broken(f"{command[0]}: {done.stderr.strip()[-500:]}")


def programs() -> Path:
    """Return the folder of Debian's newest PostgreSQL programs. Raises Broken."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise Broken("Debian's PostgreSQL is not installed: apt-get install postgresql")
    return newest.parent


def version(folder: Path) -> str:
    """Return the version of the server in Debian's words, such as 15.18-0+deb12u1."""
    command = (folder / "postgres", "--version")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.search(r"\(Debian (\S+?)\)", text) or re.search(r"(\d[\w.]*)", text)
    if match is None:
        raise Broken(f"{folder / 'postgres'} prints no version: {text}")
    return match[1]
