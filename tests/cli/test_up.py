import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import urlopen

import psycopg
import pytest

from pinwatch.cli.up import client_url
from pinwatch.config.model import Address
from pinwatch.config.target import Target
from tests.cli.command import (
    PATIENCE,
    PINWATCH,
    environment,
    pinwatch,
    pinwatch_up,
)
from tests.harness import Postgres, eventually
from tests.site import ask as ask_http

README: Final = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file with the command's standard error."""
    return tmp_path / "stderr"


def ask(url: str, sql: str = "SELECT 'pong'") -> object:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder to which pytest does not bar PostgreSQL's user the way."""
    with TemporaryDirectory(prefix="pinwatch-") as name:
        yield Path(name)


def test_a_newcomer_needs_no_postgresql(folder: Path, log: Path) -> None:
    with pinwatch_up(log, "--state-folder", str(folder)) as up:
        assert up.lines[0] == (
            f"Initializing the embedded PostgreSQL in {folder}/postgresql-18 "
            "(first start only)."
        )
        assert up.lines[1] == "pinwatch 0.1.0 in front of embedded PostgreSQL"
        assert f"\n{up.lines[1]}\n" in README
        assert list(up.greeting)[2:] == ["", "Connect", "psql", "HTTP", "Stop"]
        assert ask(up.url) == "pong"
        with urlopen(f"{up.greeting['HTTP']}/healthz", timeout=10) as answer:
            assert answer.read() == b'{"status":"ok"}'
        pasted = shlex.split(up.greeting["psql"])
        psql = [*pasted, "--no-psqlrc", "--tuples-only", "--command", "SELECT 6*7"]
        assert subprocess.check_output(psql, text=True).strip() == "42"
        assert (folder / "postgresql-18" / "postmaster.pid").exists()

        assert up.stop(signal.SIGINT) == 0

    assert not (folder / "postgresql-18" / "postmaster.pid").exists()
    assert "Traceback" not in log.read_text()


def test_a_target_of_ones_own(target: str, log: Path) -> None:
    with pinwatch_up(log, "--target", target, "--http", "off") as up:
        assert "HTTP" not in up.greeting
        assert (
            up.lines[0] == f"pinwatch 0.1.0 in front of {Target.parse(target).address}"
        )
        assert ask(up.url, "SELECT current_database()") == Target.parse(target).database
        assert up.stop() == 0


def test_settings_come_from_options_variables_and_a_file(
    target: str, tmp_path: Path, log: Path
) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text(f'target = "{target}"\nhttp = "nonsense"\ndebug_logging = true')
    with pinwatch_up(
        log,
        "--max-connections",
        "1",
        PINWATCH_CONFIG=str(file),
        PINWATCH_CONNECTION_POOL__CONNECTION_BORROW_TIMEOUT="0.1",
    ) as up:
        with closing(psycopg.connect(up.url)) as busy:
            busy.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="Timed-out waiting"):
                ask(up.url)
        assert up.stop() == 0
    assert "[DEBUG] [proxyEndpoint=default]" in log.read_text()


def test_the_history_is_recorded(target: str, log: Path) -> None:
    with pinwatch_up(log, "--target", target) as up, psycopg.connect(up.url):

        def clients() -> list[int]:
            history = ask_http(f"{up.greeting['HTTP']}/api/history").json
            found: list[int] = history["resolutions"][0]["clients"]
            return found

        assert eventually(clients)[-1] == 1
        summary = ask_http(f"{up.greeting['HTTP']}/api/summary").json
        assert [headline["text"] for headline in summary] == ["Nothing is pinned."]
        assert ask_http(f"{up.greeting['HTTP']}/api/proxy").json["uptime"] > 0


def test_a_pin_is_seen_in_the_log_and_by_http(target: str, log: Path) -> None:
    with pinwatch_up(log, "--target", target) as up:
        with closing(psycopg.connect(up.url, autocommit=True)) as client:
            client.execute("SET search_path TO app")
            with urlopen(f"{up.greeting['HTTP']}/api/sessions", timeout=10) as answer:
                (session,) = json.load(answer)
        assert up.stop() == 0
    assert session["rules"] == ["set"]
    assert session["held"] == {"settings": {"search_path": "app"}}
    (line,) = [line for line in log.read_text().splitlines() if "[WARN]" in line]
    assert line.split(" ", 2)[2] == (
        f"[proxyEndpoint=default] [clientConnection={session['client_connection']}] "
        "The client session was pinned to the database connection "
        f"[dbConnection={session['db_connection']}] for the remainder of the session. "
        "The proxy can't reuse this connection until the session ends. Reason: SQL "
        "changed session settings that the proxy doesn't track. Consider moving "
        "session configuration to the proxy's initialization query. "
        'Digest: "set search_path to $1".'
    )


def test_a_borrow_that_times_out_is_explained_in_the_log(
    target: str, log: Path
) -> None:
    with pinwatch_up(
        log,
        "--target",
        target,
        "--max-connections",
        "3",
        PINWATCH_CONNECTION_POOL__CONNECTION_BORROW_TIMEOUT="0.1",
    ) as up:
        with (
            closing(psycopg.connect(up.url, autocommit=True)) as first,
            closing(psycopg.connect(up.url, autocommit=True)) as second,
            closing(psycopg.connect(up.url)) as busy,
        ):
            first.execute("SET a.b = 1")
            second.execute("LISTEN jobs")
            busy.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="Timed-out waiting"):
                ask(up.url)
        assert up.stop() == 0
    lines = [line.partition("] ")[2] for line in log.read_text().splitlines()]
    at = next(at for at, line in enumerate(lines) if "Timed-out waiting" in line)
    assert lines[at + 1] == lines[at].replace(
        "Timed-out waiting to acquire database connection.",
        "Borrow timed out: 3 of 3 connections in use, 2 pinned (listen: 1, set: 1).",
    )


def test_the_log_can_be_quieter(target: str, log: Path) -> None:
    with pinwatch_up(log, "--target", target, PINWATCH_LOG_LEVEL="error") as up:
        assert ask(up.url) == "pong"
        assert up.stop() == 0
    assert log.read_text() == ""


def test_a_settings_file_without_end(target: str) -> None:
    limits = {
        "--config": "longer than 1,000,000 bytes",
        "--from": "larger than 32 MiB",
    }
    for option, limit in limits.items():
        ended = pinwatch("up", "--target", target, option, "/dev/zero")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"pinwatch: /dev/zero is {limit}.\n"


def test_a_settings_file_nested_too_deep(target: str, tmp_path: Path) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text("a = " + "[" * 100_000)
    ended = pinwatch("up", "--target", target, "--config", str(file))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (f"pinwatch: {file} is not valid TOML: nested too deep.\n")


def test_an_embedded_postgresql_that_ends(folder: Path, log: Path) -> None:
    with pinwatch_up(log, "--state-folder", str(folder)) as up:
        data = folder / "postgresql-18"
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        assert up.process.wait(PATIENCE) == 1
    assert log.read_text().splitlines()[-1] == (
        "pinwatch: The embedded PostgreSQL ended unexpectedly: see its log, "
        f"{data}/log."
    )


def test_control_characters_in_an_error_are_escaped() -> None:
    ended = pinwatch("up", "--target", "postgresql://a@b/c?\x1b[31m=1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "target has the parameter \\x1b[31m" in ended.stderr


def test_a_full_disk_under_the_log_does_not_end_a_session(target: str) -> None:
    with pinwatch_up(Path("/dev/full"), "--target", target) as up:
        for _ in range(3):
            assert (
                ask(up.url, "SELECT 'pong' FROM set_config('a.b', '1', false)")
                == "pong"
            )


class TestStopping:
    def test_does_not_wait_for_a_target_that_is_silent(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(PATIENCE)
            url = f"postgresql://ann@{Address(*silent.getsockname())}/app"
            command = [*PINWATCH, "up", "--target", url]
            with (
                Popen(command, env=environment(), stderr=PIPE, text=True) as process,
                closing(silent.accept()[0]),
            ):
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")

    @pytest.mark.parametrize("option", ["--config", "--from"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_while_it_reads_a_pipe_that_does_not_end(
        self, target: str, tmp_path: Path, option: str, number: int
    ) -> None:
        pipe = tmp_path / "fifo"
        os.mkfifo(pipe)
        command = [*PINWATCH, "up", "--target", target, option, str(pipe)]
        with Popen(command, env=environment(), stderr=PIPE, text=True) as process:
            end = eventually(partial(open_for_a_reader, pipe))
            assert end is not None
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
            os.close(end)
        assert (process.returncode, errors) == (0, "")

    def test_while_it_reads_a_secret_from_a_pipe_that_does_not_end(
        self, target: str, tmp_path: Path
    ) -> None:
        pipe, config = tmp_path / "fifo", tmp_path / "pinwatch.toml"
        os.mkfifo(pipe)
        config.write_text(f'[[auth]]\nsecret_file = "{pipe}"\n')
        command = [*PINWATCH, "up", "--target", target, "--config", str(config)]
        with Popen(command, env=environment(), stderr=PIPE, text=True) as process:
            end = eventually(partial(open_for_a_reader, pipe))
            assert end is not None
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
            os.close(end)
        assert (process.returncode, errors) == (0, "")

    def test_while_it_opens_an_event_log_that_is_a_pipe(
        self, target: str, tmp_path: Path
    ) -> None:
        pipe, config = tmp_path / "fifo", tmp_path / "config"
        os.mkfifo(pipe)
        os.mkfifo(config)
        arguments = ["--target", target, "--config", str(config)]
        command = [*PINWATCH, "up", *arguments, "--event-log", str(pipe)]
        with Popen(command, env=environment(), stderr=PIPE, text=True) as process:
            config.write_text("")  # it has read its settings when this returns
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")

    def test_lets_a_transaction_end(self, target: str, log: Path) -> None:
        with pinwatch_up(log, "--target", target) as up:
            with closing(psycopg.connect(up.url)) as busy:
                busy.execute("CREATE TABLE done ()")
                up.process.send_signal(signal.SIGTERM)
                eventually(partial(refuses, up.url))
                busy.commit()
            assert up.process.wait() == 0
        assert ask(target, "SELECT to_regclass('done') IS NOT NULL") is True

    def test_ends_a_transaction_after_the_grace(self, target: str, log: Path) -> None:
        with (
            pinwatch_up(log, "--target", target, PINWATCH_SHUTDOWN_GRACE="0.1") as up,
            closing(psycopg.connect(up.url)) as busy,
        ):
            busy.execute("SELECT 1")
            assert up.stop() == 0
            with pytest.raises(psycopg.errors.AdminShutdown):
                busy.execute("SELECT 1")

    def test_is_at_once_the_second_time(self, target: str, log: Path) -> None:
        with (
            pinwatch_up(log, "--target", target, PINWATCH_SHUTDOWN_GRACE="300") as up,
            closing(psycopg.connect(up.url)) as busy,
        ):
            busy.execute("SELECT 1")
            up.process.send_signal(signal.SIGINT)
            eventually(partial(refuses, up.url))
            assert up.stop(signal.SIGINT) == 130
        assert "Traceback" not in log.read_text()


def open_for_a_reader(fifo: Path) -> int | None:
    """Open the pipe for writing; return None while it has no reader."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def refuses(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "Connection refused" in str(error)
    return False


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(Address(*listening.getsockname()))


AUTH: Final = '[[auth]]\nusername = "ada"\npassword = "lovelace"\n'
NOBODY: Final = '[[auth]]\nsecret_file = "/nowhere.json"\n'


@pytest.mark.parametrize(("auth", "role"), [(AUTH, "ada"), (NOBODY, None)])
def test_the_greeting_names_who_can_log_in(
    auth: str, role: str | None, target: str, tmp_path: Path
) -> None:
    config = tmp_path / "pinwatch.toml"
    config.write_text(auth)
    log = tmp_path / "log"
    with pinwatch_up(log, "--config", str(config), "--target", target) as up:
        greeting = "\n".join(up.lines)
        assert ("No role can log in" in greeting) is (role is None)
        assert up.url.startswith(f"postgresql://{role or 'postgres'}@")


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "[::]"])
def test_the_greeting_has_addresses_to_open(host: str, target: str, log: Path) -> None:
    with pinwatch_up(
        log,
        *("--target", target, "--insecure-trust"),
        *("--listen", f"{host}:0", "--http", f"{host}:0"),
        PINWATCH_HTTP_TOKEN="a secret",
        PINWATCH_ENDPOINTS=json.dumps([{"name": f"reads-{os.getpid()}"}]),
    ) as up:
        here = "[::1]" if host == "[::]" else "127.0.0.1"
        urls = [text for text in up.greeting.values() if "://" in text]
        hosts = [re.findall(r"[@/]([^@/]+):\d+", url)[-1] for url in urls]
        assert hosts == 4 * [here]
        assert up.stop() == 0


def test_the_greeting_has_columns(target: str, tmp_path: Path, log: Path) -> None:
    config = tmp_path / "pinwatch.toml"
    config.write_text(
        '[[endpoints]]\nname = "reporting-of-finance"\nlisten = "127.0.0.1:0"\n'
    )
    with pinwatch_up(log, "--config", str(config), "--target", target) as up:
        assert up.greeting["reporting-of-finance"].startswith("postgresql://")
        shown = [line for line in up.lines[2:] if line]
        assert {line.index(up.greeting[line.split()[0]]) for line in shown} == {22}


def test_a_role_of_two_entries_is_warned_of(
    target: str, tmp_path: Path, log: Path
) -> None:
    config = tmp_path / "pinwatch.toml"
    config.write_text(AUTH + AUTH)
    with pinwatch_up(log, "--config", str(config), "--target", target) as up:
        assert up.stop() == 0
        assert any("No role can log in" in line for line in up.lines)
    (line,) = [line for line in log.read_text().splitlines() if "multiple" in line]
    assert line.partition(" ")[2] == (
        '[WARN] The database user "ada" was found in multiple DB proxy authentication '
        "entries: each of its logins will fail."
    )


@pytest.mark.parametrize("option", ["--listen", "--http"])
def test_a_port_that_is_taken(option: str, taken: str, target: str) -> None:
    other = {"--listen": "--http", "--http": "--listen"}[option]
    ended = pinwatch(
        "up", "--target", target, option, taken, other, "127.0.0.1:0",
        PINWATCH_LOG_LEVEL="error",
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"pinwatch: Cannot listen on {taken}")
    assert "ddress already in use. " in ended.stderr
    assert ended.stderr.endswith(f"{option} chooses another port.\n")
    assert ended.stderr.count("\n") == 1


def test_a_port_of_an_endpoint_that_is_taken(
    taken: str, target: str, tmp_path: Path
) -> None:
    config = tmp_path / "pinwatch.toml"
    config.write_text(
        'listen = "127.0.0.1:0"\nhttp = "off"\n'
        f'[[endpoints]]\nname = "reader"\nlisten = "{taken}"\n'
    )
    ended = pinwatch("up", "--target", target, "--config", str(config))
    assert ended.returncode == 1
    assert ended.stderr.endswith("reader's listen chooses another port.\n")


def test_a_target_that_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = Address(*closed.getsockname())
        ended = pinwatch("up", "--target", f"postgresql://ann@{address}/app")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"pinwatch: The target {address} cannot be used: Connection refused.\n"
    )


def test_a_target_that_refuses_the_login(postgres: Postgres) -> None:
    host = postgres.server.host
    url = f"postgresql://nobody@/postgres?host={host}&password=secret"
    ended = pinwatch("up", "--target", url, PINWATCH_LOG_LEVEL="error")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"pinwatch: The target {host}/.s.PGSQL.5432 cannot be used: "
        'role "nobody" does not exist.\n'
    )


def test_a_wrong_option() -> None:
    ended = pinwatch("up", "--max-connections", "0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "pinwatch: max_connections is 0, but must be a whole number of at least 1.\n"
    )


def test_a_wrong_variable() -> None:
    ended = pinwatch("up", PINWATCH_CONNECTION_POOL__MAX_CONNECTIONS_PERCENT="101")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "pinwatch: connection_pool.max_connections_percent is 101, but must be a whole "
        "number from 1 to 100.\n"
    )


def test_a_wrong_target() -> None:
    ended = pinwatch("up", "--target", "mysql://ann:secret@db/app")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "pinwatch: target must be a URL of the form "
        "postgresql://user:password@host:port/database.\n"
    )


def test_other_machines_need_the_insecure_option() -> None:
    ended = pinwatch("up", "--listen", "0.0.0.0:0")
    assert ended.returncode == 2
    assert "must be a loopback address" in ended.stderr


def test_other_machines_need_the_http_token() -> None:
    ended = pinwatch("up", "--http", "0.0.0.0:0", "--insecure-trust")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "pinwatch: http is 0.0.0.0:0, but must be a loopback address unless http_token "
        "is set, because it shows SQL to everyone who can connect.\n"
    )


def test_an_http_token_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text('http_token = ""')
    ended = pinwatch("up", "--config", str(file))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "pinwatch: http_token must be text that is not empty.\n"


def test_with_the_http_token_other_machines_may_ask(target: str, log: Path) -> None:
    arguments = "--target", target, "--http", "0.0.0.0:0"
    with pinwatch_up(log, *arguments, PINWATCH_HTTP_TOKEN="a secret") as up:
        url = up.greeting["HTTP"]
        assert url.startswith("http://127.0.0.1:")
        assert ask_http(f"{url}/readyz").status == 200
        assert ask_http(f"{url}/metrics").status == 401
        assert ask_http(f"{url}/metrics", Authorization="Bearer a secret").status == 200
        answer = ask_http(f"{url}/api/config", Authorization="Bearer a secret")
        with closing(psycopg.connect(up.url, autocommit=True)) as client:
            client.execute("LISTEN jobs")
        checked = pinwatch("check", "--url", url, PINWATCH_HTTP_TOKEN="a secret")
        refused = pinwatch("check", "--url", url)
        assert up.stop() == 0
    assert answer.json["http_token"] == "**********"
    assert "a secret" not in answer.text + log.read_text() + "".join(up.lines)
    assert checked.stdout.endswith("1 pin, 1 failing.\n")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"pinwatch: --url is {url}, which requires its http_token: give it by "
        "--token or PINWATCH_HTTP_TOKEN.\n",
    )


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (Address("127.0.0.1", 1), "postgresql://a%40b@127.0.0.1:1/c%2Fd"),
        (Address("0.0.0.0", 1), "postgresql://a%40b@127.0.0.1:1/c%2Fd"),
        (Address("::", 1), "postgresql://a%40b@[::1]:1/c%2Fd"),
        (Address("localhost", 1), "postgresql://a%40b@localhost:1/c%2Fd"),
    ],
)
def test_the_url_is_for_a_client_on_this_machine(listen: Address, url: str) -> None:
    target = Target("db", 5432, "a@b", "secret", "c/d", "prefer", None)
    assert client_url(target, listen) == url
