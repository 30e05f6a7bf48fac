"""pinwatch check, on pins and leaks of a real proxy as its HTTP side returns them."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, Protocol

import psycopg
import pytest

from pinwatch import Proxy
from tests.cli.command import pinwatch, pinwatch_up
from tests.harness import Postgres, eventually
from tests.leaked import LEAK as LEAKED
from tests.site import ask


class Serve(Protocol):
    def __call__(self, pins: Any, leaks: Any = ()) -> str:
        """Serve values at /api/pins and /api/leaks; return the URL of the server."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    served: dict[str, Any] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(served[self.path]).encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()

        def begin(pins: Any, leaks: Any = ()) -> str:
            served.update({"/api/pins": pins, "/api/leaks": leaks})
            return f"http://127.0.0.1:{server.server_port}/"

        yield begin
        server.shutdown()


@pytest.fixture
def pins(postgres: Postgres, database: str) -> list[dict[str, Any]]:
    """A certain one, whose SQL has tags, and a contested one."""
    with (
        Proxy(postgres.endpoint(database).url()) as proxy,
        closing(psycopg.connect(proxy.dsn, autocommit=True)) as connection,
    ):
        connection.execute("LISTEN jobs /*file:app/jobs.rb:42,controller:jobs*/")
        connection.execute("SET LOCAL a.b = 1")
        return [
            pin.values() | {"at": pin.at.isoformat(), "more": None}
            for pin in proxy.pins
        ]


def test_a_new_pin_fails_the_job(serve: Serve, pins: list[dict[str, Any]]) -> None:
    done = pinwatch("check", "--url", serve(pins))
    assert done.returncode == 1
    assert "listen: app/jobs.rb:42 in jobs\n  |\n  | line 1: LISTEN jobs" in done.stdout
    assert "  = contested: " in done.stdout
    assert done.stdout.count("  = line: ") == 1
    assert done.stdout.endswith("2 pins, 1 failing.\n")


def test_without_a_line_it_says_who_and_what_would_tell_it(
    serve: Serve, pins: list[dict[str, Any]]
) -> None:
    web = pins[0] | {
        "tags": {},
        "application_name": "web",
        "user": "u",
        "database": "d",
    }
    other = web | {"application_name": ""}
    done = pinwatch("check", "--url", serve([web, web, other]))
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("listen: ")] == [
        "listen: line not found, session of application_name web, user u, "
        "database d, 2 times",
        "listen: line not found, session of user u, database d",
    ]
    hint = "  = line: add sqlcommenter's tags file and line to the statement to see it"
    assert lines.count(hint) == 2


def test_a_function_alone_is_shown(serve: Serve, pins: list[dict[str, Any]]) -> None:
    done = pinwatch("check", "--url", serve([pins[0] | {"tags": {"route": "/jobs"}}]))
    assert "listen: in /jobs, session of user postgres, database " in done.stdout
    assert "  = line: " in done.stdout


def test_a_contested_one_may(serve: Serve, pins: list[dict[str, Any]]) -> None:
    done = pinwatch("check", "--url", serve(pins[1:]))
    assert done.returncode == 0
    done = pinwatch("check", "--url", serve(pins[1:]), "--contested", "fail")
    assert done.returncode == 1


def test_no_pins(serve: Serve) -> None:
    done = pinwatch("check", "--url", serve([]))
    assert (done.returncode, done.stdout) == (
        0,
        "0 pins, 0 failing.\n",
    )


def test_it_annotates(serve: Serve, pins: list[dict[str, Any]]) -> None:
    done = pinwatch("check", "--url", serve(pins), GITHUB_ACTIONS="true")
    assert "\n::error title=RDS Proxy pins%3A listen,file=app/jobs.rb" in done.stdout


def test_a_baseline(serve: Serve, pins: list[dict[str, Any]], tmp_path: Path) -> None:
    file = str(tmp_path / "known.json")
    url = serve(pins)
    done = pinwatch("check", "--url", url, "--baseline", file, "--update-baseline")
    assert (done.returncode, done.stdout) == (0, f"Baseline written: {file}\n")
    assert json.loads(Path(file).read_text())["pins"] == [
        {"test": "*", "rule": "listen", "digest": "listen jobs"}
    ]
    assert pinwatch("check", "--url", url, "--baseline", file).returncode == 0
    serve([pins[0] | {"digest": f"{pins[0]['digest']} /*a='b'*/"}])
    assert pinwatch("check", "--url", url, "--baseline", file).returncode == 0
    serve([pins[0] | {"digest": "listen other"}])
    assert pinwatch("check", "--url", url, "--baseline", file).returncode == 1


LEAK: Final = LEAKED.values() | {
    "at": LEAKED.at.isoformat(),
    "tags": {"file": "app/db.rb", "line": "7"},
}


def test_a_leak_fails_the_job(serve: Serve, pins: list[dict[str, Any]]) -> None:
    """Leaks come before pins, apart for each state that they leave."""
    other = LEAK | {"kind": "channel", "name": "jobs", "value": "", "client": 9}
    done = pinwatch("check", "--url", serve(pins[:1], [LEAK, LEAK, other]))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "Leaks, then pins, by rule and statement, longest pinned time first:",
        "",
        "pinned  times  sessions  rule          statement",
        "     -      3         2  hidden_state  select app.login($1)",
        " 0.0 s      1         1  listen        listen jobs",
        "",
    ]
    assert [line for line in lines if line.startswith("hidden_state: ")] == [
        "hidden_state: app/db.rb:7",
        "hidden_state: app/db.rb:7, 2 times",
    ]
    assert "  = left: a LISTEN on jobs" in lines
    assert "  = left: the setting app.tenant = '42'" in lines
    assert f"  = code: {LEAKED.path}" in lines
    assert f"  = fix: {LEAKED.advice}" in lines
    assert lines[-1] == "1 pin and 3 leaks, 4 failing."


@pytest.mark.parametrize(
    ("format", "shown"),
    [
        ("sarif", '"ruleId": "hidden_state"'),
        ("junit", '<failure type="hidden_state"'),
        ("github", "::error title=Not seen by RDS Proxy%3A hidden_state,file=app/db"),
    ],
)
def test_a_leak_in_other_formats(serve: Serve, format: str, shown: str) -> None:
    done = pinwatch("check", "--url", serve([], [LEAK]), "--format", format)
    assert done.returncode == 1
    assert shown in done.stdout
    assert "app.tenant" in done.stdout


def test_a_leak_as_json(serve: Serve) -> None:
    done = pinwatch("check", "--url", serve([], [LEAK]), "--format", "json")
    document = json.loads(done.stdout)
    assert document["pins"] == document["statements"] == []
    (leak,) = document["leaks"]
    assert (leak["kind"], leak["name"]) == ("setting", "app.tenant")
    assert document["leak_outcomes"] == {"failed": 1, "contested": 0, "baseline": 0}
    assert document["outcomes"] == {"failed": 0, "contested": 0, "baseline": 0}


def test_a_leak_in_the_baseline(serve: Serve, tmp_path: Path) -> None:
    file = str(tmp_path / "known.json")
    check = "check", "--url", serve([], [LEAK]), "--baseline", file
    assert pinwatch(*check, "--update-baseline").returncode == 0
    assert json.loads(Path(file).read_text())["pins"] == [
        {"test": "*", "rule": "hidden_state", "digest": "select app.login($1)"}
    ]
    done = pinwatch(*check)
    assert (done.returncode, done.stdout) == (0, "0 pins and 1 leak, 0 failing.\n")
    serve([], [LEAK | {"digest": "SELECT app.logout($1)"}])
    assert pinwatch(*check).returncode == 1


def test_a_leak_of_a_running_pinwatch(target: str, tmp_path: Path) -> None:
    arguments = "--target", target, "--probe"
    with (
        pinwatch_up(tmp_path / "log", *arguments) as up,
        closing(psycopg.connect(up.url, autocommit=True)) as connection,
    ):
        connection.execute("DO $$ BEGIN SET work_mem = '1MB'; END $$")
        url = up.greeting["HTTP"]
        eventually(lambda: ask(f"{url}/api/leaks").json)
        done = pinwatch("check", "--url", url)
    assert done.returncode == 1
    assert "  = left: the setting work_mem = '1MB'\n" in done.stdout
    assert "  = code: DO -> SET work_mem = '1MB'\n" in done.stdout
    assert done.stdout.endswith("0 pins and 1 leak, 1 failing.\n")


def many(pin: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return this many statements, those pinned longest last."""
    return [
        pin
        | {"digest": f"listen {chr(97 + n // 26)}{chr(97 + n % 26)}"}
        | {"client": n, "pinned_seconds": 60.0 * n}
        for n in range(count)
    ]


def test_it_starts_with_a_summary_by_harm(
    serve: Serve, pins: list[dict[str, Any]]
) -> None:
    """A session's pins end together, so their time counts once."""
    listen, local = pins
    listens = [
        listen | {"client": 1, "pinned_seconds": 120.0, "digest": "listen jobs_12"},
        listen | {"client": 1, "pinned_seconds": 100.0, "digest": "listen jobs_13"},
        listen | {"client": 2, "pinned_seconds": 60.0, "digest": "listen jobs_14"},
    ]
    other = local | {"client": 3, "pinned_seconds": 4.24}
    done = pinwatch("check", "--url", serve([other, *listens]))
    assert done.stdout.splitlines()[:6] == [
        "Pins by rule and statement, longest pinned time first:",
        "",
        "pinned  times  sessions  rule            statement",
        " 3 min      3         2  listen          listen jobs_#",
        " 4.2 s      1         1  set, contested  set local a.b = $1",
        "",
    ]
    assert done.stdout.endswith("\n\n4 pins, 3 failing.\n")


def test_it_shows_50_of_many(serve: Serve, pins: list[dict[str, Any]]) -> None:
    url = serve(many(pins[0], 52))
    done = pinwatch("check", "--url", url)
    lines = done.stdout.splitlines()
    first, last = lines[3], lines[52]
    assert first.split() == ["51", "min", "1", "1", "listen", "listen", "bz"]
    assert last.split() == ["2", "min", "1", "1", "listen", "listen", "ac"]
    assert lines[53:55] == ["... and 2 more statements: --all lists them.", ""]
    assert done.stdout.count("  = fix: ") == 50
    assert lines[-3:] == [
        "... and 2 more: --all explains them.",
        "",
        "52 pins, 52 failing.",
    ]
    done = pinwatch("check", "--url", url, "--all")
    assert done.stdout.count("  = fix: ") == 52
    assert "--all" not in done.stdout


def test_what_is_known_is_not_in_the_summary(
    serve: Serve, pins: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = str(tmp_path / "known.json")
    url = serve(pins[:1])
    pinwatch("check", "--url", url, "--baseline", file, "--update-baseline")
    done = pinwatch("check", "--url", url, "--baseline", file)
    assert (done.returncode, done.stdout) == (0, "1 pin, 0 failing.\n")


def test_what_a_pinned_session_does_is_seen(target: str, tmp_path: Path) -> None:
    """A baseline with the first pin of a running pinwatch hides no other pin."""
    file = str(tmp_path / "known.json")
    with (
        pinwatch_up(tmp_path / "log", "--target", target) as up,
        closing(psycopg.connect(up.url, autocommit=True)) as connection,
    ):
        check = "check", "--url", up.greeting["HTTP"], "--baseline", file
        connection.execute("SET a.b = 1")
        assert pinwatch(*check, "--update-baseline").returncode == 0
        assert pinwatch(*check).returncode == 0
        for _ in range(2):
            connection.execute("LISTEN jobs")
        done = pinwatch(*check)
        assert done.returncode == 1
        assert "\nlisten: " in done.stdout
        assert "  = later: " in done.stdout
        assert "RDS Proxy logs" not in done.stdout
        assert done.stdout.endswith("2 pins, 1 failing.\n")
        assert pinwatch(*check, "--update-baseline").returncode == 0
        assert pinwatch(*check).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "http://127.0.0.1:1"], "--url is http://127.0.0.1:1, but no pinwat"),
        (["--update-baseline"], "--update-baseline needs --baseline FILE."),
        (["--baseline", "/no/such"], "Cannot read the baseline /no/such: No such file"),
    ],
)
def test_misuse(arguments: list[str], sentence: str) -> None:
    done = pinwatch("check", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pinwatch: {sentence}")


def test_an_answer_that_is_no_leak(serve: Serve) -> None:
    done = pinwatch("check", "--url", serve([], [{}]))
    assert done.returncode == 2
    assert "/api/leaks returned something that is not a leak: KeyError" in done.stderr


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({}, "the server there is not pinwatch: its answer is not one of"),
        ([{}], "/api/pins returned something that is not a pin: KeyError"),
    ],
)
def test_an_answer_that_is_none(serve: Serve, answer: Any, sentence: str) -> None:
    done = pinwatch("check", "--url", serve(answer))
    assert done.returncode == 2
    assert sentence in done.stderr
