"""The subjects of a load: PostgreSQL itself, PgBouncer, pinwatch, other commands.

Each is started anew for a case, with the login and the TLS of the case, and otherwise
with its own defaults, including its log.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bench import install, process
from bench.cases import Case, Idle, Statements
from bench.server import DATABASE, PASSWORD, ROLES, Server

POOL_SIZE: Final = 10
"""Database connections of every proxy."""

MAX_CLIENTS: Final = 11_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The port of a started subject, and its processes.

    ``pid`` and ``log`` are the proxy's, None without a proxy; ``server_pid`` is
    PostgreSQL's.
    """

    port: int
    pid: int | None
    server_pid: int
    log: Path | None = None


class Subject(Protocol):
    """A subject, which has one row in every table."""

    name: str
    version: str

    def unfit(self, case: Case) -> str | None:
        """Return the reason, in a few words, why it cannot run the case, or None."""

    def command(
        self, case: Case, server: Server, port: int, folder: Path
    ) -> list[str | Path]:
        """Write the configuration into folder; return the command that listens on port.

        An empty command means no process of its own: the server's port is used.
        """

    def user(self) -> str | None:
        """Return the user that the command runs as; None for the present one."""


class Direct:
    """No proxy: PostgreSQL itself."""

    name = "direct"
    version = "PostgreSQL 18"

    def unfit(self, case: Case) -> str | None:
        if case.tls:
            return "the embedded PostgreSQL has no TLS"
        if isinstance(case, Idle):
            return "a server process for each client"
        return None

    def command(
        self, case: Case, server: Server, port: int, folder: Path
    ) -> list[str | Path]:
        return []

    def user(self) -> str | None:
        return None


class PgBouncer:
    """PgBouncer, the yardstick, with its fastest settings for pooling, TLS and SCRAM.

    Its users' file has the server's own SCRAM secret, so that no login needs a PBKDF2.
    """

    name = "pgbouncer"

    def __init__(self, path: Path | None = None) -> None:
        self.path = install.pgbouncer(path)
        self.version = install.pgbouncer_version(self.path)
        self.prepares = install.follows_prepared_statements(self.version)

    def unfit(self, case: Case) -> str | None:
        if (
            isinstance(case, Statements)
            and case.protocol == "prepared"
            and not self.prepares
        ):
            return f"PgBouncer {self.version} loses prepared statements"
        return None

    def command(
        self, case: Case, server: Server, port: int, folder: Path
    ) -> list[str | Path]:
        users = folder / "users.txt"
        users.write_text(
            f'"{ROLES["trust"]}" ""\n"{ROLES["scram"]}" "{server.scram_secret}"\n'
        )
        settings: dict[str, object] = {
            "listen_addr": process.LOOPBACK,
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256" if case.login == "scram" else "trust",
            "auth_file": users,
            "pool_mode": "transaction",
            "default_pool_size": POOL_SIZE,
            "max_client_conn": MAX_CLIENTS,
        }
        if self.prepares:
            settings["max_prepared_statements"] = 200
        if case.tls:
            key, certificate = _certificate(folder)
            process.give_to(self.user(), key)
            settings |= {
                "client_tls_sslmode": "allow",
                "client_tls_key_file": key,
                "client_tls_cert_file": certificate,
            }
        target = f"host={process.LOOPBACK} port={server.port} dbname={DATABASE}"
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n{DATABASE} = {target}\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        return [self.path, configuration]

    def user(self) -> str | None:
        return process.unprivileged()


class Pinwatch:
    """This project, as ``pinwatch up --target`` starts it; detection is on.

    ``program`` is the command of another environment, such as a compiled build.
    """

    def __init__(self, name: str = "pinwatch", program: Path | None = None) -> None:
        self.name = name
        self.program: list[str | Path] = [sys.executable, "-m", "pinwatch"]
        if program is not None:
            self.program = [install.runnable(program)]
        done = subprocess.run(
            [*self.program, "--version"], capture_output=True, text=True
        )
        self.version = done.stdout.strip() or "not runnable"

    def unfit(self, case: Case) -> str | None:
        return None

    def command(
        self, case: Case, server: Server, port: int, folder: Path
    ) -> list[str | Path]:
        role = ROLES[case.login]
        command = [*self.program, "up"]
        if case.login == "scram":
            configuration = folder / "pinwatch.toml"
            configuration.write_text(
                f'[[auth]]\nusername = "{role}"\npassword = "{PASSWORD}"\n'
                'client_password_auth_type = "POSTGRES_SCRAM_SHA_256"\n'
            )
            command += ["--config", configuration]
        listen, http = (
            f"{process.LOOPBACK}:{number}" for number in (port, process.free_port())
        )
        command += ["--target", target_url(case, server)]
        command += ["--listen", listen, "--http", http]
        return [*command, "--max-connections", str(POOL_SIZE)]

    def user(self) -> str | None:
        return None


class Other:
    """A command given as ``NAME=COMMAND``: another build, another proxy.

    COMMAND is split as a shell does. {target} (a libpq URL), {server} (the server's
    TCP port), {port} and {http} (ports to listen on) and {pool} are replaced.
    """

    version = "--also"

    def __init__(self, text: str) -> None:
        name, equals, template = text.partition("=")
        if not (name and equals and template):
            raise ValueError(f"--also takes NAME=COMMAND, not {text!r}")
        self.name = name
        self.template = shlex.split(template)

    def unfit(self, case: Case) -> str | None:
        return None

    def command(
        self, case: Case, server: Server, port: int, folder: Path
    ) -> list[str | Path]:
        values = {
            "target": target_url(case, server),
            "server": server.port,
            "port": port,
            "http": process.free_port(),
            "pool": POOL_SIZE,
        }
        return [word.format_map(values) for word in self.template]

    def user(self) -> str | None:
        return None


def target_url(case: Case, server: Server) -> str:
    """Return the libpq URL with which a proxy logs in to the server for this case."""
    return (
        f"postgresql://{ROLES[case.login]}:{PASSWORD}"
        f"@{process.LOOPBACK}:{server.port}/{DATABASE}"
    )


@contextmanager
def started(
    subject: Subject, case: Case, server: Server, folder: Path
) -> Iterator[Endpoint]:
    """Run the subject until the block ends; folder is new, and only its own.

    Raises process.NotStarted if it does not listen.
    """
    folder.mkdir(parents=True)
    port = process.free_port()
    command = subject.command(case, server, port, folder)
    if not command:
        yield Endpoint(server.port, None, server.pid)
        return
    log = folder / "log"
    with process.listening(command, port=port, log=log, user=subject.user()) as pid:
        yield Endpoint(port, pid, server.pid, log)


def client_environment(case: Case) -> Mapping[str, str]:
    """Return the environment for libpq, with the login and the TLS of the case."""
    environment = {
        **os.environ,
        "PGUSER": ROLES[case.login],
        "PGPASSWORD": PASSWORD,
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
    }
    if case.tls:
        tls = {"PGSSLMODE": "require", "LD_PRELOAD": str(install.tls_libpq())}
        environment |= tls
    return environment


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Create a P-256 key and a self-signed certificate for localhost."""
    key, certificate = folder / "server.key", folder / "server.crt"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(
        [
            install.debian("openssl"),
            "req",
            "-x509",
            *curve,
            *files,
            "-subj",
            "/CN=localhost",
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate
