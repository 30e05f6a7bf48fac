"""pinwatch failover, reload and fault, before a running pinwatch."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from openapi_spec_validator import validate

from tests.cli.command import Up, pinwatch, pinwatch_up
from tests.harness import Postgres, eventually
from tests.site import ask


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "pinwatch.toml"
    file.write_text("max_connections = 3\n")
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def up(postgres: Postgres, config: Path, log: Path) -> Iterator[Up]:
    target = postgres.server.url()
    with pinwatch_up(log, "--target", target, "--config", str(config)) as up:
        yield up


def site(up: Up) -> str:
    return up.greeting["HTTP"]


def run(up: Up, *arguments: str, status: int = 0) -> str:
    done = pinwatch(*arguments, "--url", site(up))
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr


def connect(up: Up) -> psycopg.Connection[Any]:
    return psycopg.connect(up.url, autocommit=True)


def test_a_failover_of_one_target(up: Up) -> None:
    with closing(connect(up)) as idle, closing(connect(up)) as busy:
        idle.execute("SELECT 1")
        busy.execute("BEGIN")
        output = run(up, "failover", "--outage", "0.2")
        assert output.splitlines() == [
            "Failing over; no writer for 0.2 s.",
            "The writer default was away for 0.2 s.",
        ]
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
        idle.execute("SELECT 1")


def test_a_failover_to_nowhere(up: Up) -> None:
    output = run(up, "failover", "--to", "b", status=2)
    assert output == "pinwatch: There is no target b: there are default.\n"


def test_targets_are_told(up: Up) -> None:
    (target,) = ask(f"{site(up)}/api/targets").json
    assert (target["name"], target["role"]) == ("default", "READ_WRITE")
    assert (target["state"], target["reason"]) == ("AVAILABLE", None)


def test_faults_come_and_go(up: Up) -> None:
    assert run(up, "fault", "list") == "No active faults.\n"
    with closing(connect(up)) as client:
        output = run(up, "fault", "add", "refuse", "--name", "flaky", "--for", "600")
        assert output == "flaky: every borrow; happened 0 times, 600 s left\n"
        with pytest.raises(psycopg.errors.ConnectionException):
            client.execute("SELECT 1")
        assert "happened once," in run(up, "fault", "list")
        run(up, "fault", "remove", "flaky")
        client.execute("SELECT 1")
    output = run(up, "fault", "remove", "flaky", status=2)
    assert output == "pinwatch: No fault named flaky; active faults: none.\n"


@pytest.mark.parametrize(
    ("given", "option", "kinds"),
    [
        ("kill --every 3", "--every", "refuse"),
        ("refuse --seconds 3", "--seconds", "latency and kill"),
        ("refuse --connections 1", "--connections", "kill"),
        ("pause --seconds 0", "--seconds", "latency and kill"),
    ],
)
def test_a_fault_with_an_option_of_another(given: str, option: str, kinds: str) -> None:
    done = pinwatch("fault", "add", *given.split(), "--url", "127.0.0.1:1")
    kind = given.partition(" ")[0]
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"pinwatch: {option} does not apply to {kind}, only to {kinds}.\n"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("latency --seconds 5000", "seconds: must be less than or equal to 3600."),
        ("refuse --name a/b", "name: must match pattern "),
        ("kill --connections 2000000", "connections: must be less than or equal to "),
        ("refuse --every 2000000", "every: must be less than or equal to 1000000."),
        ("pause --for 1e9", "lasting: must be less than or equal to "),
        ("pause --name taken", "A fault named taken is already active."),
    ],
)
def test_a_fault_that_the_running_pinwatch_refuses(
    up: Up, given: str, sentence: str
) -> None:
    run(up, "fault", "add", "pause", "--name", "taken")
    output = run(up, "fault", "add", *given.split(), status=2)
    assert output.startswith(f"pinwatch: {sentence}")
    run(up, "fault", "remove", "taken")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fault",),
        ("fault", "add"),
        ("fault", "add", "fire"),
        ("fault", "remove"),
        ("fault", "put"),
        ("fault", "add", "refuse", "--every", "0"),
        ("fault", "add", "latency", "--seconds", "nan", "--url", "127.0.0.1:1"),
        ("fault", "add", "pause", "--for", "inf", "--url", "127.0.0.1:1"),
    ],
)
def test_misuse_of_fault(arguments: tuple[str, ...]) -> None:
    done = pinwatch(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_numbers_of_faults_are_told_in_words_that_agree(up: Up) -> None:
    with closing(connect(up)) as client:
        client.execute("SELECT 1")
        kill = ("fault", "add", "kill", "--name", "k", "--connections")
        assert run(up, *kill, "1") == "k: 1 database connection; happened once\n"
    assert run(up, *kill, "2").startswith("k: 2 database connections; ")
    add = ("fault", "add", "refuse", "--every")
    assert run(up, *add, "1").partition(": ")[2].startswith("every borrow; ")


def test_a_fault_that_would_end_at_once() -> None:
    add = ("fault", "add", "pause", "--for", "0", "--url", "127.0.0.1:1")
    done = pinwatch(*add)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pinwatch: --for is 0, but must be greater than 0.\n"


def test_a_reload_over_http(up: Up, config: Path) -> None:
    config.write_text("max_connections = 7\nlisten = '127.0.0.1:1'\n")
    assert run(up, "reload") == "Settings reloaded.\n"
    assert ask(f"{site(up)}/api/pool").json["max_connections"] == 7
    assert ask(f"{site(up)}/api/config").json["max_connections"] == 7
    config.write_text("max_connections = 0\n")
    output = run(up, "reload", status=2)
    assert output == (
        "pinwatch: max_connections is 0, but must be a whole number of at least 1.\n"
    )
    assert ask(f"{site(up)}/api/pool").json["max_connections"] == 7


def test_a_reload_by_signal(up: Up, config: Path, log: Path) -> None:
    config.write_text("max_connections = 7\ntime_scale = 2\nhttp_token = 'secret'\n")
    up.process.send_signal(signal.SIGHUP)
    late = "Restart pinwatch to apply: http_token, time_scale."
    eventually(lambda: late in log.read_text())
    answer = ask(f"{site(up)}/api/config").json
    assert (answer["max_connections"], answer["time_scale"]) == (7, 1)
    assert answer["http_token"] is None
    assert ask(f"{site(up)}/api/pool").json["max_connections"] == 7
    config.write_text("what = 1\n")
    up.process.send_signal(signal.SIGHUP)
    eventually(lambda: "what is not a setting" in log.read_text())


def test_a_release_lets_a_database_be_dropped(up: Up) -> None:
    with closing(connect(up)) as admin:
        admin.execute("CREATE DATABASE released")
        elsewhere = psycopg.connect(up.url, dbname="released", autocommit=True)
        with closing(elsewhere) as client:
            client.execute("SELECT 1")
        output = run(up, "release", "released")
        assert output == "Closed 1 idle connection to the database released.\n"
        output = run(up, "release", "released")
        assert output == "Closed 0 idle connections to the database released.\n"
        admin.execute("DROP DATABASE released")
        assert run(up, "release") == "Closed 1 idle connection.\n"
        admin.execute("SELECT 1")


def test_a_release_of_an_unknown_database(up: Up) -> None:
    output = run(up, "release", "nowhere", status=2)
    assert output == (
        "pinwatch: No client has connected to a database nowhere; known databases: "
        "postgres.\n"
    )
    body = json.dumps({"database": "nowhere"})
    assert ask(f"{site(up)}/api/release", method="POST", body=body).status == 404
    body = json.dumps({"databases": "nowhere"})
    assert ask(f"{site(up)}/api/release", method="POST", body=body).status == 400
    assert ask(f"{site(up)}/api/release", method="POST").json["closed"] == 0


def test_a_release_has_examples_in_its_help() -> None:
    done = pinwatch("release", "--help")
    assert "$ pinwatch release test_app" in done.stdout


def test_all_of_it_is_documented(up: Up) -> None:
    validate(ask(f"{site(up)}/openapi.json").json)
    page = ask(f"{site(up)}/api/docs").text
    for operation in (
        "POST /api/failover",
        "POST /api/release",
        "DELETE /api/faults/{name}",
    ):
        assert operation in page


def test_what_is_not_asked_right(up: Up) -> None:
    answer = ask(
        f"{site(up)}/api/faults", method="POST", body=json.dumps({"kind": "fire"})
    )
    assert answer.status == 400
    assert answer.json["error"].startswith("kind: must be ")


def test_from_other_machines_faults_must_be_allowed(
    postgres: Postgres, log: Path
) -> None:
    arguments = ("--target", postgres.server.url(), "--http", "0.0.0.0:0")
    for more, status in ((), 2), (("--allow-faults",), 0):
        with pinwatch_up(log, *arguments, *more, PINWATCH_HTTP_TOKEN="secret") as up:
            url = site(up).replace("0.0.0.0", "127.0.0.1")
            add = ("fault", "add", "pause", "--url", url)
            done = pinwatch(*add, PINWATCH_HTTP_TOKEN="secret")
            assert done.returncode == status
            assert ("--allow-faults" in done.stderr) is bool(status)


def test_nobody_answers() -> None:
    done = pinwatch("failover", "--url", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "pinwatch: --url is http://127.0.0.1:1, but no pinwatch answers there: "
    )
