"""A real primary with a streaming replica, which change places.

Owns how they are started, killed, promoted and paired again. Replication is
synchronous: what was committed on the primary is on the replica.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import psycopg

from tests.auth.servers import embedded
from tests.harness import Endpoint, Postgres, eventually

SETTINGS: Final = """
listen_addresses = ''
max_connections = 60
shared_buffers = 32MB
fsync = off
full_page_writes = off
wal_level = replica
max_wal_senders = 4
hot_standby = on
autovacuum = off
jit = off
log_min_messages = fatal
wal_retrieve_retry_interval = 100ms
"""
HBA: Final = "local all all trust\nlocal replication all trust\n"


class Node:
    """One of the two servers."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)
        self.data = self.folder / "data"
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.folder, self.user)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder))}"

    @property
    def postgres(self) -> Postgres:
        there = Endpoint(str(self.folder), 5432, "postgres", "postgres")
        return Postgres(there, any_role=True)

    def connect(self) -> psycopg.Connection[Any]:
        return self.postgres.connect()

    def run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [embedded(18) / program, *map(str, arguments)],
            check=True,
            cwd=self.folder,
            user=self.user,
            stdout=subprocess.DEVNULL,
        )

    def create(self) -> None:
        self.run("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "-N")
        (self.data / "pg_hba.conf").write_text(HBA)
        self.set_up()

    def copy(self, primary: "Node") -> None:
        """Become a replica of primary, from its data."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.run(
            "pg_basebackup",
            *("-D", self.data, "-h", primary.folder, "-U", "postgres"),
            *("-R", "-c", "fast", "--no-sync"),
        )
        self.set_up(f"primary_conninfo = 'host={primary.folder} user=postgres'")

    def set_up(self, *more: str) -> None:
        lines = (SETTINGS, f"unix_socket_directories = '{self.folder}'", *more)
        (self.data / "postgresql.auto.conf").write_text("\n".join(lines))

    def start(self) -> None:
        log = self.folder / "log"
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", log, "start")

    def promote(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "promote")

    def restart(self) -> None:
        log = self.folder / "log"
        stop = ("-w", "-s", "-m", "fast", "-l", log)
        self.run("pg_ctl", "-D", self.data, *stop, "restart")

    def kill(self) -> None:
        """SIGKILL to the server; its processes then go by themselves."""
        pid_file = self.data / "postmaster.pid"
        postmaster = int(pid_file.read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
        for pid in (postmaster, *map(int, children.split())):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{postmaster}/exe").exists())
        for lock in pid_file, self.folder / ".s.PGSQL.5432.lock":
            lock.unlink()

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", "immediate", "stop")


class Pair:
    """Two nodes; primary is the one that can be written to."""

    def __init__(self, folder: Path) -> None:
        self.primary = Node("a", folder)
        self.replica = Node("b", folder)
        self.primary.create()
        self.primary.start()
        self._follow()

    def _follow(self) -> None:
        """The replica follows, and the primary waits for it at each commit."""
        self.replica.copy(self.primary)
        self.replica.start()
        with closing(self.primary.connect()) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            eventually(
                lambda: connection.execute(
                    "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
                ).fetchone()
            )

    def fail_over(self) -> None:
        """Kill the primary and promote the replica."""
        self.primary.kill()
        self.replica.promote()
        self.primary, self.replica = self.replica, self.primary

    def rejoin(self) -> None:
        """The killed one comes back as a replica."""
        self._follow()

    @property
    def targets(self) -> list[dict[str, str]]:
        """The targets in the form of the setting."""
        return [
            {"name": node.name, "url": node.url, "role": role}
            for node, role in (
                (self.primary, "READ_WRITE"),
                (self.replica, "READ_ONLY"),
            )
        ]

    def stop(self) -> None:
        self.replica.stop()
        self.primary.stop()


@contextmanager
def streaming_pair() -> Iterator[Pair]:
    with TemporaryDirectory(prefix="pinwatch-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        pair = Pair(folder)
        stack.callback(pair.stop)
        yield pair
