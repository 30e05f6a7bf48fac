import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import PATIENCE, PINWATCH, environment, pinwatch
from tests.pins.cases import PINS


def explained(given: bytes, *arguments: str) -> tuple[int, str]:
    """With this on standard input: the exit status, and standard output."""
    ended = subprocess.run(
        [*PINWATCH, "explain", *arguments],
        input=given,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert ended.stderr == b""
    return ended.returncode, ended.stdout.decode()


def lines(objects: list[Any], *arguments: str) -> list[dict[str, Any]]:
    given = "".join(f"{json.dumps(one)}\n" for one in objects)
    status, out = explained(given.encode(), "--jsonl", *arguments)
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def test_for_people() -> None:
    ended = pinwatch("explain", "SELECT 1;\nSET LOCAL work_mem = '1MB'")
    assert ended.returncode == 1
    shown = ended.stdout.splitlines()
    assert shown[0] == "line 2: SET LOCAL work_mem = '1MB'"
    assert shown[1] == "        ^^^"
    assert shown[2] == "set: work_mem, contested"
    assert shown[3].startswith("  RDS Proxy: SQL changed session settings that")
    assert shown[4].startswith("  Fix: ")
    assert "  For a pin: " in ended.stdout
    assert "  Against: " in ended.stdout
    assert "https://" in ended.stdout
    assert shown[-1] == "This pins, by the rules of rds-2023-11: 1 reason."


def test_what_does_not_pin() -> None:
    ended = pinwatch("explain", "SELECT 1")
    assert ended.returncode == 0
    assert ended.stdout == "Nothing pins, by the rules of rds-2023-11.\n"


@pytest.mark.parametrize(("sql", "status"), [("selec 1", 0), ("SET x y", 1)])
def test_what_is_no_sql_is_said_to_be_none(sql: str, status: int) -> None:
    ended = pinwatch("explain", sql)
    assert ended.returncode == status
    assert "PostgreSQL's grammar does not have this" in ended.stdout
    (told,) = lines([{"sql": sql}])
    assert [warning["rule"] for warning in told["warnings"]] == ["syntax"]


@pytest.mark.parametrize("sql", ["", " ;\n", "/* all of it */"])
def test_a_text_without_a_statement_is_said_to_have_none(sql: str) -> None:
    ended = pinwatch("explain", sql)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "There is no statement in this.",
        "Nothing pins, by the rules of rds-2023-11.",
    ]
    (told,) = lines([{"sql": sql}])
    assert [warning["rule"] for warning in told["warnings"]] == ["syntax"]


def test_a_byte_order_mark_is_no_sql() -> None:
    status, out = explained(b"\xef\xbb\xbfSET a.b = 1", "-")
    assert status == 1
    assert "grammar" not in out


def test_a_warning_is_no_pin() -> None:
    ended = pinwatch("explain", "SELECT lastval()")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Warning, lastval: ")


def test_a_long_line_is_shown_around_its_trigger() -> None:
    text = f"SELECT {'x, ' * 100} nextval('s') {', y' * 100}"
    shown = pinwatch("explain", text).stdout.splitlines()
    assert shown[0].startswith("line 1: ...")
    assert shown[0].endswith("...")
    at = shown[1].index("^")
    assert shown[0][at : at + len("nextval")] == "nextval"


def test_a_terminal_is_not_driven_by_sql() -> None:
    assert "\x1b" not in pinwatch("explain", "SET a.b = '\x1b[2J'").stdout


def test_for_programs() -> None:
    text = "SELECT 1; SELECT nextval('s')"
    ended = pinwatch("explain", "--format", "json", text)
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert answer["pinned"] is True
    assert answer["warnings"] == []
    (finding,) = answer["findings"]
    assert finding["rule"] == "sequence_function"
    assert finding["contested"] is False
    assert finding["digest"] == "select $1; select nextval($2)"
    assert finding["reason"].endswith('Digest: "select $1; select nextval($2)".')
    assert finding["statement"] == "SELECT nextval('s')"
    assert finding["position"] == 10
    assert finding["advice"]


def test_what_is_contested_has_both_readings() -> None:
    ended = pinwatch("explain", "--format", "json", "SELECT currval('s')")
    (finding,) = json.loads(ended.stdout)["findings"]
    assert finding["contested"] is True
    assert set(finding["readings"]) == {"pins", "does_not", "sources"}


@pytest.mark.parametrize(
    "given", [b"SET a.b = 1", b"SET a.b = 1\n", b"\xff; SET a = 1"]
)
def test_from_standard_input(given: bytes) -> None:
    status, out = explained(given, "-")
    assert status == 1
    assert "\nset" in out


@pytest.mark.parametrize(
    ("profile", "pins"), [("rds-2023-11", 1), ("rds-2020-06", 1), ("lenient", 0)]
)
def test_by_the_rules_that_are_asked_for(profile: str, pins: int) -> None:
    ended = pinwatch("explain", "--profile", profile, "SET LOCAL a.b = 1")
    assert ended.returncode == pins
    assert profile in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give the SQL, or - to read it from standard input."),
        (["--jsonl", "SELECT 1"], "--jsonl reads standard input"),
        (["--profile", "x", "SELECT 1"], "profile is x, but must be one of rds-2023"),
        (["--format", "xml", "SELECT 1"], "Invalid value for '--format'"),
        (["SELECT", "1"], "Got unexpected extra argument"),
    ],
)
def test_misuse(arguments: list[str], sentence: str) -> None:
    ended = pinwatch("explain", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert sentence in ended.stderr


def test_every_case_by_lines() -> None:
    for case, answer in zip(PINS, lines(PINS), strict=True):
        assert {key: answer[key] for key in case if key != "rule"} == {
            key: value for key, value in case.items() if key != "rule"
        }
        assert answer["pinned"] is case["pins"], case["sql"]
        assert [f["rule"] for f in answer["findings"]][:1] == (
            [case["rule"]] if case["pins"] else []
        )


def test_a_bad_line_is_told_and_the_run_goes_on() -> None:
    given = (
        b'{"sql": "SET a.b = 1", "calls": 7}\n{"sql":\n[]\n{"sql": 1, "id": 2}\n\n{}'
    )
    _, out = explained(given, "--jsonl")
    first, *bad = [json.loads(line) for line in out.splitlines()]
    assert (first["pinned"], first["calls"]) == (True, 7)
    assert [set(answer) - {"sql", "id"} for answer in bad] == [{"error"}] * 4
    assert bad[2]["id"] == 2


def test_any_text_that_json_can_hold() -> None:
    (answer,) = lines([{"sql": "\ud800 \0 SET a = 1"}])
    assert answer["pinned"] is False
    assert answer["sql"] == "\ud800 \0 SET a = 1"


def test_a_bar_shows_on_a_terminal(tmp_path: Path) -> None:
    """On standard error, while a file is read."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text('{"sql": "SELECT 1"}\n' * 10)
    terminal, end = pty.openpty()
    with dump.open() as given:
        ended = subprocess.run(
            [*PINWATCH, "explain", "--jsonl"],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=end,
            env=environment(TERM="xterm"),
            timeout=PATIENCE,
        )
    os.close(end)
    shown = os.read(terminal, 65_536)
    os.close(terminal)
    assert len(ended.stdout.splitlines()) == 10
    assert b"Explaining" in shown
    assert b"100%" in shown
