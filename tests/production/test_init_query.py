"""The settings that sessions begin with, and the init query that they make."""

import csv
import io
import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.production.assignments import Assignment, set_statement, steps
from pinwatch.production.formats import read_file
from pinwatch.production.init_query import (
    CHANGES,
    DIFFERS,
    LATE,
    MAX_VALUES,
    NOT_LOGGED,
    InitQuery,
)
from pinwatch.production.ranking import Ranking
from pinwatch.production.records import Executed
from tests.harness import Postgres
from tests.production.logs import write

UTC: Final = "SET timezone TO 'UTC'"
Sessions = Iterable[tuple[str, ...]]


def init_query(*sessions: tuple[str, ...]) -> InitQuery:
    """Return the init query of sessions that sent these texts, one after the other."""
    ranking = Ranking()
    for number, texts in enumerate(sessions):
        for sql in texts:
            ranking.add(Executed(sql, session=str(number), role="app"))
    return ranking.settings.init_query()


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path TO a, b",
        'SET search_path = "$user", public, "Odd ""name"""',
        "SET SCHEMA 'a'",
        "SELECT set_config('search_path', '\"$user\", public', false)",
        "SET datestyle TO german, ymd",
        "SELECT set_config('DateStyle', 'ISO, DMY', false)",
        "SET TIME ZONE 'Europe/Rome'",
        "SET TIME ZONE -3.5",
        "SET TIME ZONE INTERVAL '+02:30' HOUR TO MINUTE",
        "SET NAMES 'latin1'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE",
        "SET extra_float_digits = -1",
        "SET standard_conforming_strings = off",
        "SET statement_timeout = '30s'",
        "SET XML OPTION DOCUMENT",
        "SET app.note = 'it''s a \\ here'",
        r"SET app.note = E'line\nand\\back'",
        'SET "App".tenant = 42',
        "/* orm */ SET SESSION work_mem = 5000 -- kB",
        "SELECT set_config('app.a', 'x', false), set_config('app.b', $$y'$$, 'f')",
        "BEGIN; SET application_name = reports; COMMIT",
    ],
)
def test_the_statement_gives_the_setting_the_same_value(
    sql: str, postgres: Postgres
) -> None:
    found = [step for step in steps(sql) if isinstance(step, Assignment)]
    assert found
    with closing(postgres.connect()) as given, closing(postgres.connect()) as ours:
        given.execute(sql.encode())
        for step in found:
            assert step.value is not None
            ours.execute(set_statement(step.name, step.value).encode())
            value = "SELECT current_setting(%s)", (step.name,)
            assert ours.execute(*value).fetchone() == given.execute(*value).fetchone()


@pytest.mark.parametrize("in_front", [True, False])
@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL timezone = 'Asia/Tokyo'",
        "SELECT set_config('timezone', 'Asia/Tokyo', true)",
        "SELECT set_config('timezone', NULL, true)",
        "SET LOCAL timezone TO DEFAULT",
        "SELECT set_config('work_mem', NULL, false)",
        "SET work_mem TO DEFAULT",
        "RESET work_mem",
        "SET work_mem FROM CURRENT",
        "SET TRANSACTION READ ONLY",
        "SET CONSTRAINTS ALL DEFERRED",
        "SHOW work_mem",
        "BEGIN; SAVEPOINT a; COMMIT",
        "BEGIN; ROLLBACK",
        "ROLLBACK",
        "DISCARD PLANS",
    ],
)
def test_a_beginning_may_have_statements_that_assign_nothing(
    sql: str, in_front: bool
) -> None:
    found = init_query((sql, UTC) if in_front else (UTC, sql))
    assert found.sql == UTC
    assert not found.left_out()


@pytest.mark.parametrize(
    "sql",
    [
        "SET work_mem = 1; RESET work_mem",
        "SET work_mem = 1; SET WORK_MEM TO DEFAULT",
        "SET work_mem = 1; SELECT set_config('Work_Mem', NULL, false)",
        "SET work_mem = 1; RESET ALL",
        "SET TIME ZONE 'Asia/Tokyo'; SET TIME ZONE LOCAL",
        "BEGIN; SET work_mem = 1; ROLLBACK",
        "START TRANSACTION; SET work_mem = 1; BEGIN; ABORT",
        "BEGIN; COMMIT AND CHAIN; SET work_mem = 1; ROLLBACK",
        "BEGIN; ROLLBACK AND CHAIN; SET work_mem = 1; ROLLBACK",
    ],
)
def test_a_setting_that_the_beginning_undoes_is_left_out(sql: str) -> None:
    assert init_query((sql, UTC, "SELECT 1")).sql == UTC
    assert not init_query((sql, "SELECT 1")).settings


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; RESET timezone; ROLLBACK",
        "BEGIN; SET timezone = 'Asia/Tokyo'; ROLLBACK",
        "BEGIN; COMMIT; ROLLBACK",
        "BEGIN; PREPARE TRANSACTION 'a'; ROLLBACK",
    ],
)
def test_a_rollback_restores_the_values_as_of_begin(sql: str) -> None:
    assert init_query((UTC, sql, "SELECT 1")).sql == UTC


def test_a_commit_keeps_the_values() -> None:
    assert init_query((f"BEGIN; {UTC}; COMMIT; ROLLBACK", "SELECT 1")).sql == UTC


def test_reset_all_keeps_the_role() -> None:
    found = init_query((f"SET ROLE app; {UTC}; RESET ALL", "SELECT 1"))
    assert [*found.settings] == ["role"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "CREATE TEMP TABLE t (id int)",
        "SELECT set_config(name, 'x', false) FROM settings",
        "SELECT set_config($1, $2, false)",
        "SELECT set_config(E'a.\\x1b', 'b', false)",
        "this is not SQL",
        f"SELECT '{'x' * MAX_STATEMENT}'",
        "SHOW work_mem; INSERT INTO t VALUES (1)",
    ],
)
def test_a_beginning_ends_with_the_first_work(sql: str) -> None:
    found = init_query((sql, UTC))
    assert (found.sql, found.left_out()) == ("", {"timezone": LATE})


@pytest.mark.parametrize("sql", ["SET a.b = '\ud800'", "SET a.b = '\0", "(" * 9_000])
def test_any_text_is_read(sql: str) -> None:
    ranking = Ranking()
    ranking.add(Executed(sql, session="1", role="\ud800\x1b"))
    assert ranking.settings.init_query().roles() in ([], [""])


def test_values_are_compared_as_postgresql_reads_them() -> None:
    found = init_query(
        ("SET work_mem = 5000", "SET NAMES 'UTF8'"),
        ("set session WORK_MEM to '5000'", "SET client_encoding TO 'UTF8'"),
        ("SELECT set_config('Work_Mem', '5000', false)",),
        ("SELECT 1",),
    )
    assert found.sql == "SET work_mem TO '5000'; SET client_encoding TO 'UTF8'"
    assert found.sessions == 4
    assert found.settings["work_mem"].values() == {"'5000'": 3}


def test_an_empty_search_path() -> None:
    sql = "SELECT set_config('search_path', '', false)"  # as in a dump
    assert init_query((sql,)).sql == "SET search_path TO ''"


def test_the_last_value_of_a_beginning_counts() -> None:
    assert init_query(("SET TimeZone = 'Asia/Tokyo'; SET timezone = 'UTC'",)).sql == UTC


@pytest.mark.parametrize(
    ("sessions", "reason", "seen"),
    [
        ([("SET a.t = 1",), ("SET a.t = 2",), ("SET a.t = 2",)], DIFFERS, ["2", "1"]),
        ([("SET a.t = 1", "SELECT 1", "SET a.t = 2")], CHANGES, ["1", "2"]),
        ([("SELECT 1", "SET a.t = 2")], LATE, ["2"]),
        ([("SELECT set_config('a.t', $1, false)",)], NOT_LOGGED, []),
        ([("SELECT set_config('a.t', '1', $1)",)], NOT_LOGGED, []),
        ([("SET a.t = 1", "SELECT 1", "SET a.t = $1")], NOT_LOGGED, ["1"]),
    ],
)
def test_settings_with_several_values_are_left_out(
    sessions: list[tuple[str, ...]], reason: str, seen: list[str]
) -> None:
    found = init_query(*sessions, (UTC,))
    assert found.sql == UTC
    assert found.left_out() == {"a.t": reason}
    assert found.settings["a.t"].seen() == [f"'{value}'" for value in seen]


@pytest.mark.parametrize(
    ("detail", "sql"),
    [
        ("parameters: $1 = 'a.b', $2 = 'it''s $3', $3 = 'f'", "SET a.b TO 'it''s $3'"),
        (
            "Parameters: $1 = 'a.b', $2 = '1\n2', $3 = 'f'",
            r"SET a.b TO E'1\U0000000a2'",
        ),
        ("parameters: $1 = 'a.b', $2 = '1', $3 = 't'", ""),
        ("parameters: $1 = 'a.b', $2 = NULL, $3 = 'f'", ""),
        ("parameters: $1 = 'a.b', $2 = '1'", ""),
        ("prepare: PREPARE p AS SELECT $1 = 'a.b'", ""),
    ],
)
def test_values_of_bound_parameters(detail: str, sql: str) -> None:
    text = "SELECT set_config(/* $1 */ $1, $2, $3)"
    ranking = Ranking()
    ranking.add(Executed(text, session="1", detail=detail))
    assert ranking.settings.init_query().sql == sql


def test_the_same_value_later_changes_nothing() -> None:
    assert init_query((UTC, "SELECT 1", UTC)).sql == UTC


def test_discard_all_begins_a_new_session() -> None:
    found = init_query(("SELECT 1", "DISCARD ALL", UTC, "SELECT 1", "DISCARD ALL"))
    assert (found.sql, found.sessions) == (UTC, 2)


def test_values_beyond_the_most_that_are_kept_differ() -> None:
    sessions = [(f"SET a.t = {number}",) for number in range(MAX_VALUES + 1)]
    found = init_query(*sessions)
    assert found.left_out() == {"a.t": DIFFERS}
    assert len(found.settings["a.t"].begun) == MAX_VALUES


TIME: Final = "2026-11-30 10:00:00.123 UTC"
LOGGED: Final = (
    ("4711", "ann", "SET search_path TO ann"),
    ("4712", "bob", "SET search_path TO bob"),
    ("4711", "ann", UTC),
    ("4711", "ann", "SELECT 1"),
    ("4712", "bob", "SET timezone = 'UTC'"),
)
"""The statements of two sessions at a time: process, role and text."""


def stderr(prefix: str) -> bytes:
    lines = (
        f"{prefix.format(pid=pid, role=role)}LOG:  statement: {sql}\n"
        for pid, role, sql in LOGGED
    )
    return "".join(lines).encode()


def csvlog() -> bytes:
    out = io.StringIO()
    for pid, role, sql in LOGGED:
        row = [""] * 26
        row[0], row[1], row[3], row[5], row[11] = TIME, role, pid, f"6a.{pid}", "LOG"
        row[13] = f"statement: {sql}"
        csv.writer(out).writerow(row)
    return out.getvalue().encode()


def jsonlog() -> bytes:
    lines = (
        {
            "timestamp": TIME,
            "user": role,
            "pid": int(pid),
            "session_id": f"6a.{pid}",
            "error_severity": "LOG",
            "message": f"duration: 0.1 ms  statement: {sql}",
        }
        for pid, role, sql in LOGGED
    )
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


@pytest.mark.parametrize(
    "log",
    [
        stderr(f"{TIME}:10.0.0.1(4000):{{role}}@shop:[{{pid}}]:"),
        stderr(f"{TIME} [{{pid}}] {{role}}@shop "),
        stderr(f"{TIME} [{{pid}}]: [7-1] user={{role}},db=shop,app=x "),
        csvlog(),
        jsonlog(),
    ],
    ids=["RDS", "Debian", "pgBadger", "csvlog", "jsonlog"],
)
def test_sessions_and_roles_of_a_log(log: bytes, tmp_path: Path) -> None:
    ranking = Ranking()
    ranking.add_all(read_file(write(tmp_path, "log", log)))
    found = ranking.settings.init_query()
    assert (found.sql, found.sessions) == (UTC, 2)
    assert found.left_out() == {"search_path": DIFFERS}
    assert {role: found.constant(role) for role in found.roles()} == {
        "ann": {"search_path": "'ann'", "timezone": "'UTC'"},
        "bob": {"search_path": "'bob'", "timezone": "'UTC'"},
    }


def test_a_log_without_processes_has_no_sessions(tmp_path: Path) -> None:
    ranking = Ranking()
    ranking.add_all(read_file(write(tmp_path, "log", stderr(f"{TIME} "))))
    assert not ranking.settings.init_query().settings
