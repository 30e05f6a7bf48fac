"""The statements that a database ran, in its logs and statistics."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pinwatch.production.files import InputError
from pinwatch.production.formats import format_of, read_file
from pinwatch.production.ranking import Ranking, Row
from tests.production.logs import write

TIME = "2026-11-30 10:00:00.123 UTC"
PREFIXES = {
    "RDS": f"{TIME}:10.0.0.1(4711):app@shop:[123]:",
    "default": f"{TIME} [123] ",
    "none": "",
    "with a colon": f"{TIME} [123]: user=app,db=shop,app=psql,client=::1 ",
    "epoch": "1764496800.123 123 ",
}
MESSAGES = (
    "LOG:  statement: SET search_path TO a",
    "LOG:  duration: 0.1 ms  statement: SET search_path TO b",
    "LOG:  execute <unnamed>: SELECT set_config('a.b', $1, false)",
    "DETAIL:  parameters: $1 = 'LOG:  statement: LISTEN x'",
    "LOG:  duration: 0.1 ms  parse s1: LISTEN x",
    "LOG:  duration: 0.1 ms  bind s1: LISTEN x",
    "LOG:  execute s1: LISTEN\n\tx",
    "LOG:  statement: SELECT 1",
    'ERROR:  relation "t" does not exist at character 15',
    "STATEMENT:  LISTEN t",
    "LOG:  checkpoint starting: time",
)
CALLS = {"set search_path to $1": 2, "select set_config($2, $1, $3)": 1, "listen x": 1}


def rows(file: str) -> list[Row]:
    ranking = Ranking()
    ranking.add_all(read_file(file))
    return ranking.rows()


def calls(file: str) -> dict[str, int]:
    return {row.digest: row.calls for row in rows(file)}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_stderr(tmp_path: Path, prefix: str) -> None:
    lines = "".join(f"{PREFIXES[prefix]}{message}\n" for message in MESSAGES)
    file = write(tmp_path, "postgresql.log", lines.encode())
    assert calls(file) == CALLS


def split(message: str) -> tuple[str, str]:
    level, _, text = message.partition(":  ")
    return level, text.replace("\n\t", "\n")


def csvlog(messages: Sequence[str]) -> bytes:
    out = io.StringIO()
    for message in messages:
        level, text = split(message)
        row = [TIME, "app", "shop", 123, "10.0.0.1:4711", "id", 1, "SELECT", TIME]
        row += ["3/1", 0, level, "00000", text, *[""] * 8, "psql", "client backend"]
        csv.writer(out).writerow(row)
    return out.getvalue().encode()


def jsonlog(messages: Sequence[str]) -> bytes:
    out = []
    for message in messages:
        level, text = split(message)
        entry = {"timestamp": TIME, "pid": 123, "error_severity": level}
        out.append(json.dumps(entry | {"message": text, "application_name": "psql"}))
    return "\n".join(out).encode()


@pytest.mark.parametrize("container", [csvlog, jsonlog])
def test_other_formats_of_the_log(tmp_path: Path, container: object) -> None:
    assert callable(container)
    logged = [m for m in MESSAGES if m.startswith("LOG")]
    file = write(tmp_path, "postgresql.log", container(logged))
    assert calls(file) == CALLS
    assert {name for row in rows(file) for name in row.applications} == {"psql"}


def test_times(tmp_path: Path) -> None:
    file = write(tmp_path, "log", csvlog(MESSAGES[:1]))
    (row,) = rows(file)
    assert row.first is not None
    assert row.first == row.last
    assert row.first.isoformat() == "2026-11-30T10:00:00.123000+00:00"


STATISTICS = (
    ("SET search_path TO $1", 7),
    ("SELECT $1", 1_000),
    ("SELECT nextval($1)", 3),
    (f"INSERT INTO t VALUES ({', '.join(['$1'] * 4_000)})", 2),
)
STATISTICS_CALLS = {"set search_path to $1": 7, "select nextval($1)": 3}


def as_csv(columns: Sequence[str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({"queryid": 1, "query": q, "calls": n} for q, n in STATISTICS)
    return out.getvalue().encode()


def test_statistics_as_csv(tmp_path: Path) -> None:
    file = write(tmp_path, "s.csv", as_csv(["queryid", "calls", "query"]))
    assert calls(file) == STATISTICS_CALLS


def test_statistics_without_calls(tmp_path: Path) -> None:
    file = write(tmp_path, "s.csv", as_csv(["query"]))
    assert calls(file) == dict.fromkeys(STATISTICS_CALLS, 1)


@pytest.mark.parametrize(
    "data", [b"query,calls\nLISTEN x,0\n", b'{"query": "LISTEN x", "calls": 0}\n']
)
def test_statements_that_did_not_run_are_left_out(tmp_path: Path, data: bytes) -> None:
    assert calls(write(tmp_path, "statistics", data)) == {}


def test_statistics_as_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"calls": n, "query": q}) for q, n in STATISTICS]
    file = write(tmp_path, "s.jsonl", "\n".join(lines).encode())
    assert calls(file) == STATISTICS_CALLS


def test_statements_near_the_limit_are_suspects(tmp_path: Path) -> None:
    ranking = Ranking()
    ranking.add_all(read_file(write(tmp_path, "s.csv", as_csv(["calls", "query"]))))
    (suspect,) = ranking.suspects()
    assert suspect.calls == 2
    assert suspect.size == len(STATISTICS[3][0])


def test_a_logged_statement_over_the_limit_pins(tmp_path: Path) -> None:
    long = f"LOG:  statement: SELECT '{'x' * 17_000}'\n"
    (row,) = rows(write(tmp_path, "log", long.encode()))
    assert (row.cause.rule, row.calls) == ("statement_size", 1)


@pytest.mark.parametrize(
    ("data", "line", "sentence"),
    [
        (b'{"query": "SELECT 1"}\n{"calls": 1}\n', 2, "The column query is missing."),
        (b'{"query": "SELECT 1"}\n{"query"', 2, "This is not a JSON object."),
        (b"calls,query\nmany,SELECT 1\n", 2, "calls is 'many', but must be a number."),
        (csvlog(MESSAGES[:1]) + b"2026\n", 2, "csvlog has 23 columns or more, not 1."),
        (jsonlog(MESSAGES[:1]) + b"\n{", 2, "This is not a line of jsonlog."),
    ],
)
def test_a_line_that_cannot_be_read(
    tmp_path: Path, data: bytes, line: int, sentence: str
) -> None:
    file = write(tmp_path, "log", data)
    with pytest.raises(InputError) as error:
        rows(file)
    assert str(error.value) == f"{file}, line {line}: {sentence}"


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b'{"rule": "set", "digest": ""}', "pinwatch's event log"),
        (b'{\n  "events": [', "JSON of CloudWatch Logs"),
        (b"[INFO] [default] A new client connected", "the log of RDS Proxy"),
        (b"[1] LOG:  statement: SELECT 1", "PostgreSQL's log"),
        (b'"query","calls"\n', "pg_stat_statements as CSV"),
    ],
)
def test_formats_are_recognised_by_their_beginning(beginning: bytes, name: str) -> None:
    found = format_of(beginning)
    assert found is not None
    assert found.name == name
