"""pinwatch report: the log of a running pinwatch, and how the answer is shown."""

import gzip
import json
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from subprocess import run
from typing import Any, Final
from urllib.request import urlopen

import psycopg
import pytest

from pinwatch.pins.rules import MAX_STATEMENT, RULES
from tests.cli.command import (
    PATIENCE,
    PINWATCH,
    environment,
    forks,
    pinwatch,
    pinwatch_up,
)
from tests.harness import Postgres
from tests.production.logs import (
    LOG,
    filter_log_events,
    insights_csv,
    later,
    s3_export,
    text,
    write,
)

OVERSIZE: Final = f"SELECT '{'x' * MAX_STATEMENT}'"

Pins = dict[tuple[str, str], tuple[int, str, str]]


def reported(*arguments: str) -> dict[str, Any]:
    """Return the document that pinwatch report prints."""
    ended = pinwatch("report", "--format", "json", *arguments)
    document = json.loads(ended.stdout)
    assert isinstance(document, dict)
    return document


def second(time: str) -> str:
    return time[:19]


@pytest.fixture(scope="module")
def workload(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Pins]:
    """A log and an event log of a pin by each rule, and the digests of the API."""
    folder = tmp_path_factory.mktemp("workload")
    log, events = folder / "log", folder / "events.jsonl"
    target = postgres.endpoint("postgres").url()
    with pinwatch_up(log, "--target", target, "--event-log", str(events)) as up:
        for sql in [*(rule.pins for rule in RULES), OVERSIZE]:
            for _ in range(2):
                with (
                    closing(psycopg.connect(up.url, autocommit=True)) as client,
                    suppress(psycopg.Error),
                ):
                    client.execute(sql.encode())
        with urlopen(f"{up.greeting['HTTP']}/api/digests", timeout=10) as answer:
            digests = json.load(answer)
        assert up.stop() == 0
    first = {
        (one["rule"], "" if one["rule"] == "statement_size" else one["digest"]): (
            one["count"] - one["later"],
            second(one["first_seen"]),
            second(one["last_seen"]),
        )
        for one in digests
        if one["count"] > one["later"]
    }
    return log, events, first


def found(document: dict[str, Any]) -> Pins:
    return {
        (row["rule"], row["digest"]): (
            row["count"],
            second(row["first"]),
            second(row["last"]),
        )
        for row in document["pins"]
        if row["count"]
    }


def test_the_log_of_pinwatch_has_the_pins_of_its_api(
    workload: tuple[Path, Path, Pins],
) -> None:
    log, _, pins = workload
    assert {rule for rule, _ in pins} >= {rule.code for rule in RULES}
    assert found(reported(str(log))) == pins


def test_the_event_log_has_them_too(workload: tuple[Path, Path, Pins]) -> None:
    _, events, pins = workload
    assert found(reported(str(events))) == pins


@pytest.mark.parametrize("container", [filter_log_events, insights_csv, s3_export])
def test_and_so_have_exports_of_the_log(
    workload: tuple[Path, Path, Pins], container: Any, tmp_path: Path
) -> None:
    log, _, pins = workload
    data = container(log.read_text().splitlines())
    assert found(reported(write(tmp_path, "export", data))) == pins
    packed = write(tmp_path, "packed", gzip.compress(data))
    assert found(reported(str(log), packed)) == pins


def test_the_text(tmp_path: Path) -> None:
    shown = pinwatch("report", write(tmp_path, "log", text(LOG)))
    lines = shown.stdout.splitlines()
    assert shown.returncode == 1
    assert lines[0] == (
        "2 pins, 2 min pinned, 2026-11-30 10:00 to 2026-11-30 10:01 UTC."
    )
    assert lines[2] == "1. statement_size: 1 pin, 1 min pinned, from 1 host"
    assert "2. set: 1 pin, 30 s pinned, from 1 host" in lines
    assert "  set search_path to $1" in lines


def test_most_rows_are_left_out_unless_all_are_wanted(tmp_path: Path) -> None:
    lines = [
        line.replace("search_path", f"a.b{letter}").replace("=1]", f"={number}]")
        for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
        for line in [LOG[1]]
    ]
    log = write(tmp_path, "log", text(lines))
    assert "6 rows more: --all shows them." in pinwatch("report", log).stdout
    assert "26. set" in pinwatch("report", "--all", log).stdout


def test_nothing_pins(tmp_path: Path) -> None:
    ended = pinwatch("report", write(tmp_path, "log", text(LOG[:1])))
    assert (ended.returncode, ended.stdout) == (0, "Nothing pins.\n")


def test_a_file_with_a_fault_does_not_keep_the_others_from_being_read(
    tmp_path: Path,
) -> None:
    good = write(tmp_path, "good", text(later(LOG, hours=1)))
    bad = write(tmp_path, "bad", filter_log_events(LOG)[:-10])
    ended = pinwatch("report", "--format", "json", bad, good, str(tmp_path / "none"))
    document = json.loads(ended.stdout)
    assert ended.returncode == 2
    assert sum(row["count"] for row in document["pins"]) == 4
    none, damaged = sorted(document["problems"], key=lambda text: "damaged" in text)
    assert none == f"{tmp_path}/none: No such file or directory."
    assert damaged.startswith(f"{bad}: The JSON is cut off or damaged")
    assert ended.stderr == f"pinwatch: {damaged}\npinwatch: {none}\n"


def test_no_file() -> None:
    ended = pinwatch("report")
    assert ended.returncode == 2
    assert ended.stderr == (
        "pinwatch: Give the name of a file, - for standard input, --url or "
        "--database.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("--alarm", "terraform", "x.json", "--format", "json"),
            "--alarm prints only code: it takes no FILE, no --format.",
        ),
        (
            ("--alarm", "terraform", "--init-query", "sql"),
            "--alarm prints only code: it takes no --init-query.",
        ),
        (
            ("--init-query", "sql", "x", "--write-watchlist", "w.json"),
            "--init-query prints only code: it takes no --write-watchlist.",
        ),
        (
            ("--init-query", "sql", "x", "--all", "--max-connections", "9"),
            "--init-query prints only code: it takes no --all, no --max-connections.",
        ),
        (("x", "--proxy-name", "a"), "--proxy-name needs --init-query or --alarm."),
        (
            ("--database", ""),
            "--database must be a URL of the form "
            "postgresql://user:password@host:port/database.",
        ),
    ],
)
def test_options_without_an_effect_are_refused(
    arguments: tuple[str, ...], problem: str
) -> None:
    ended = pinwatch("report", *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"pinwatch: {problem}\n")


CONTESTED: Final = LOG[1].replace("set search_path to $1", "set local work_mem = $1")


@pytest.mark.parametrize(
    ("lines", "arguments", "status"),
    [
        ([CONTESTED], [], 0),
        ([CONTESTED], ["--contested", "fail"], 1),
        ([CONTESTED, LOG[3]], [], 1),
    ],
)
def test_contested_pins_count_if_wanted(
    tmp_path: Path, lines: list[str], arguments: list[str], status: int
) -> None:
    log = write(tmp_path, "log", text(lines))
    assert pinwatch("report", log, *arguments).returncode == status


@pytest.mark.parametrize("format", ["sarif", "github", "junit", "html", "markdown"])
def test_other_formats(tmp_path: Path, format: str) -> None:
    log = write(tmp_path, "log", text(LOG))
    shown = pinwatch("report", log, "--format", format)
    assert shown.returncode == 1
    assert "statement_size" in shown.stdout
    assert "set search_path to $1" in shown.stdout


LOAD: Final = {
    "set": "SET work_mem = '1MB'",
    "listen": "LISTEN jobs",
    "temp_object": "CREATE TEMP TABLE t (id int)",
}
"""SQL that pins, by rule."""
ROUNDS: Final = (("set", 4), ("listen", 3), ("temp_object", 5), ("set", 2))
"""Clients that pin, by rule; the clients of a round leave at the end of the next."""


def under_load(target: str, log: Path, fixed: str = "") -> dict[str, Any]:
    """Return the report on a load; no client pins by the rule that is fixed."""
    rounds = [ExitStack() for _ in ROUNDS]
    with ExitStack() as stack:
        up = stack.enter_context(pinwatch_up(log, "--target", target, "--http", "off"))
        for number, (rule, count) in enumerate(ROUNDS):
            clients = stack.enter_context(rounds[number])
            for _ in range(count):
                connection = psycopg.connect(up.url, autocommit=True)
                client = clients.enter_context(closing(connection))
                client.execute(b"SELECT 1" if rule == fixed else LOAD[rule].encode())
            rounds[number - 1].close()
        rounds[-1].close()
        assert up.stop() == 0
    return reported(str(log))


def test_the_peak_without_a_rule_is_that_of_a_load_where_it_is_fixed(
    postgres: Postgres, tmp_path: Path
) -> None:
    target = postgres.endpoint("postgres").url()
    document = under_load(target, tmp_path / "log")
    assert document["peak"] == 8
    assert document["peak_without"].keys() == LOAD.keys()
    for rule, peak in document["peak_without"].items():
        assert under_load(target, tmp_path / rule, fixed=rule)["peak"] == peak


def test_no_pins_are_not_claimed_of_a_file_that_was_not_read(tmp_path: Path) -> None:
    ended = pinwatch("report", str(tmp_path))
    assert ended.returncode == 2
    assert ended.stdout == "No pins were found, but not all files could be read.\n"
    assert ended.stderr == f"pinwatch: {tmp_path}: Is a directory.\n"


def test_a_terminal_may_know_ascii_only(tmp_path: Path) -> None:
    file = write(tmp_path, "log", text(LOG).replace(b"search_path", b"se\xe4rch"))
    ended = run(
        [*PINWATCH, "report", file],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"set se\\ufffdrch to $1" in ended.stdout


@pytest.mark.parametrize("command", ["report", "lint"])
def test_standard_input_may_be_closed(command: str) -> None:
    ended = run(
        ["sh", "-c", 'exec "$@" - <&-', "sh", *PINWATCH, command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 2
    assert "standard input: It is closed." in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_standard_input_is_read_once() -> None:
    ended = forks().run(["report", "-", "-"], environment(), text(LOG), PATIENCE)
    assert ended.returncode == 1
    assert ended.stderr == b""
