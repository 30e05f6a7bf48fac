import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from pinwatch.pins.names import NAMES
from pinwatch.pins.rule_pages import page
from pinwatch.pins.rules import CODES
from pinwatch.reports.hidden_state import PAGE
from tests.cli.command import PATIENCE, PINWATCH, environment, forks, pinwatch
from tests.hidden.schema import SCHEMA
from tests.pins.cases import PINS


def explained(given: bytes, *arguments: str) -> tuple[int, str]:
    """Return exit status and standard output, for this standard input."""
    status, out, errors = run(given, *arguments)
    assert errors == ""
    return status, out


def run(given: bytes, *arguments: str) -> tuple[int, str, str]:
    """Return exit status, standard output and error, for this standard input."""
    ended = forks().run(["explain", *arguments], environment(), given, PATIENCE)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def lines(*objects: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit status and the answers of --jsonl."""
    given = "".join(f"{json.dumps(one)}\n" for one in objects)
    status, out, _ = run(given.encode(), "--jsonl")
    return status, [json.loads(line) for line in out.splitlines()]


def answer(given: bytes | str) -> tuple[int, dict[str, Any]]:
    """Return exit status and object of --format json for a script on standard input."""
    script = given.encode() if isinstance(given, str) else given
    status, out, _ = run(script, "--format", "json", "-")
    return status, json.loads(out)


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


def test_advice_on_a_custom_setting_shows_its_sources() -> None:
    setting = "SELECT set_config('app.tenant_id', '42', true)"
    shown = pinwatch("explain", setting).stdout
    assert shown.count("    https://docs.aws.amazon.com/") == 1
    assert shown.count("    https://www.postgresql.org/") == 2


def test_a_certain_trigger_comes_before_a_contested_one() -> None:
    reset = "SELECT pg_advisory_unlock_all(); RESET ALL;"
    shown = pinwatch("explain", reset).stdout.splitlines()
    assert shown[1:3] == [
        " " * len("line 1: SELECT pg_advisory_unlock_all(); ") + "^^^^^",
        "reset: ALL",
    ]
    _, (found,) = lines({"sql": reset})
    assert [f["contested"] for f in found["findings"]] == [False, True]


@pytest.mark.parametrize("rule", CODES)
def test_the_page_of_a_rule(rule: str) -> None:
    status, out = explained(b"", "--rule", rule)
    assert (status, out) == (0, page(rule))


def test_the_page_of_hidden_state() -> None:
    assert explained(b"", "--rule", "hidden_state") == (0, PAGE)


def test_the_page_of_a_rule_on_a_terminal() -> None:
    terminal, end = pty.openpty()
    subprocess.run(
        [*PINWATCH, "explain", "--rule", "load"],
        stdout=end,
        env=environment(TERM="xterm"),
        timeout=PATIENCE,
        check=True,
    )
    os.close(end)
    shown = os.read(terminal, 65_536)
    os.close(terminal)
    assert b"Why it pins" in shown
    assert b"##" not in shown


def test_a_finding_names_the_page() -> None:
    shown = pinwatch("explain", "LISTEN jobs").stdout.splitlines()
    assert "  More: pinwatch explain --rule listen" in shown


def test_what_does_not_pin() -> None:
    ended = pinwatch("explain", "SELECT 1")
    assert ended.returncode == 0
    assert ended.stdout == "Nothing pins, by the rules of rds-2023-11.\n"


def test_refused_sql_is_judged_by_its_words() -> None:
    ended = pinwatch("explain", "SET x y")
    assert ended.returncode == 1
    assert "PostgreSQL's grammar refuses this" in ended.stdout
    status, (found,) = lines({"sql": "SET x y"})
    assert (status, found["pinned"], found["parsed"]) == (1, True, False)
    assert [warning["rule"] for warning in found["warnings"]] == ["syntax"]
    assert found["findings"][0]["parsed"] is False


@pytest.mark.parametrize("sql", ["selec 1", "SELECT 'cut off", "chekc"])
def test_refused_sql_without_words_that_pin_is_not_judged(sql: str) -> None:
    ended = pinwatch("explain", sql)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("pinwatch: This is not SQL (")
    assert len(ended.stderr.splitlines()) == 1
    status, (found,) = lines({"sql": sql})
    assert (status, found["pinned"], found["parsed"]) == (2, None, False)


@pytest.mark.parametrize("sql", ["", " ;\n", "/* all of it */"])
def test_a_text_without_a_statement_is_said_to_have_none(sql: str) -> None:
    ended = pinwatch("explain", sql)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "There is no statement in this.",
        "Nothing pins, by the rules of rds-2023-11.",
    ]
    status, (found,) = lines({"sql": sql})
    assert status == 0
    assert [warning["rule"] for warning in found["warnings"]] == ["syntax"]


LOG = (
    "2026-01-01T00:00:00.000Z [WARN] [proxyEndpoint=default] [clientConnection=1] The "
    "client session was pinned to the database connection [dbConnection=2] for the "
    'remainder of the session. Reason: ... Digest: "set a = $1".'
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LOG, "This is a log of RDS Proxy, not SQL"),
        (
            json.dumps({"events": [{"logStreamName": "x", "message": LOG}]}, indent=2),
            "This is JSON of CloudWatch Logs, not SQL",
        ),
        (
            "2026-01-01 00:00:00 UTC:10.0.0.1(5432):u@d:[7]:LOG:  statement: SET a = 1",
            "This is a log of PostgreSQL, not SQL",
        ),
        ("LOG:  execute s: SELECT nextval('x')", "This is a log of PostgreSQL"),
        ("userid,dbid,query\n10,5,SET a = $1", "This is CSV, not SQL"),
        ('10,5,"SET a = $1",3', "This is CSV, not SQL"),
        ('{"sql": "SET a = 1"}', "This is JSON, not SQL"),
        ('[{"query": "SET a = 1"}]', "This is JSON, not SQL"),
        (" query | calls\n-------+------\n SET a = 1 | 3", "This is a table that psql"),
        ("PGDMP\x01\x0e SET a = 1", "This is an archive of pg_dump"),
    ],
)
@pytest.mark.parametrize("format", ["text", "json"])
def test_other_input_is_recognised(text: str, sentence: str, format: str) -> None:
    status, out, error = run(text.encode(), "--format", format, "-")
    assert (status, out) == (2, "")
    assert error.startswith(f"pinwatch: {sentence}")
    assert re.search("pinwatch (explain|report)", error)
    assert len(error.splitlines()) == 1
    ended = pinwatch("explain", text)
    assert (ended.returncode, ended.stderr) == (2, error)


LARGE: Final = {
    "CloudWatch": json.dumps(
        {"events": [{"eventId": "1", "message": LOG.partition(" Digest:")[0]}] * 99}
    ),
    "CSV": "userid,dbid,query\n" + "10,5,SET a = $1\n" * 2_000,
    "log": f"{LOG}\n" * 99,
}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("CloudWatch", "This is JSON of CloudWatch Logs, not SQL"),
        ("CSV", "This is CSV, not SQL"),
        ("log", "This is a log of RDS Proxy, not SQL"),
    ],
)
def test_large_input_is_recognised(name: str, sentence: str) -> None:
    """Input without a semicolon is one statement over the limit, and is not parsed."""
    status, out, error = run(LARGE[name].encode(), "-")
    assert (status, out) == (2, "")
    assert error.startswith(f"pinwatch: {sentence}")


@pytest.mark.parametrize(
    "begin",
    [
        "INSERT INTO logs VALUES ('[proxyEndpoint=a]'),\n",
        "INSERT INTO t VALUES\n------\n",
        "/* [proxyEndpoint=a] */ SELECT 1,\n",
        "SELECT 'The client session was pinned to the database connection',\n",
    ],
)
def test_large_sql_is_sql_whatever_it_quotes(begin: str) -> None:
    status, found = answer(f"{begin}{'(1),' * 5_000}(1)")
    assert (status, found["pinned"], found["parsed"]) == (1, True, True)
    assert [finding["rule"] for finding in found["findings"]] == ["statement_size"]


@pytest.mark.parametrize(
    "comment",
    [
        "-- Users\n--------\n",
        "  \n--\n--\n",
        "/* Users\n--------\n*/\n",
        "-- [proxyEndpoint=a]\n",
    ],
)
def test_a_comment_above_refused_sql_is_no_other_input(comment: str) -> None:
    status, out, error = run(f"{comment}selec 1".encode(), "-")
    assert (status, out) == (2, "")
    assert error.startswith("pinwatch: This is not SQL (")


@pytest.mark.parametrize("sql", ["SELECT '[proxyEndpoint=a]'", "SELECT 'LOG:  a'"])
def test_sql_is_sql_whatever_it_quotes(sql: str) -> None:
    assert explained(sql.encode(), "-")[0] == 0


def test_a_name_of_a_file_is_read_as_the_file(tmp_path: Path) -> None:
    script = tmp_path / "a b.sql"
    script.write_text("SELECT 1;\nSELECT nextval('s');\n")
    ended = pinwatch("explain", str(script))
    assert ended.returncode == 1
    assert ended.stdout.startswith("line 2: SELECT nextval")


@pytest.mark.parametrize("name", ["missing.sql", "migrations/001_users", "/tmp/none/x"])
def test_a_file_that_is_not_there(name: str) -> None:
    ended = pinwatch("explain", name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"pinwatch: There is no file {name}: ")


def test_a_directory_is_no_script(tmp_path: Path) -> None:
    ended = pinwatch("explain", str(tmp_path))
    assert ended.returncode == 2
    assert "is a directory" in ended.stderr


SCRIPT = r"""
\set tenant 42
\connect app
SELECT :tenant, :'tenant', :"tenant";
COPY t (a, b) FROM stdin;
1	SET a = 1;
it's	DISCARD ALL
\.
SELECT setval('s', 1) \gset
SELECT $$ ; SET a = 1; $$, $x$ LISTEN $x$;
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;
SELECT 1 \; SELECT 2;
INSERT INTO t
\echo SET a = 1
  VALUES (:id);
"""


def test_a_script_of_psql_is_judged_statement_by_statement() -> None:
    status, found = answer(SCRIPT)
    assert status == 1
    assert (found["pinned"], found["parsed"]) == (True, True)
    assert found["warnings"] == []
    (finding,) = found["findings"]
    assert finding["digest"] == "select setval($1, $2)"
    assert finding["statement"] == "SELECT setval('s', 1)"
    assert SCRIPT[finding["position"] :].startswith(finding["statement"])
    assert SCRIPT[slice(*finding["trigger"])] == "setval"


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("SELECT 'SET a = 1' \\gexec", "unseen"),
        ("\\i other.sql\nSELECT 1;", "unseen"),
        ("SELECT 1;" * 2_000, "statement_size"),
    ],
)
def test_what_a_script_hides_is_warned_of(script: str, rule: str) -> None:
    status, found = answer(script)
    assert (status, found["pinned"]) == (0, False)
    assert [warning["rule"] for warning in found["warnings"]] == [rule]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("CALL archive(2025)", "CALL archive"),
        ("DO $$ BEGIN PERFORM f(1); END $$", "f()"),
        ("SELECT set_tenant('42')", "set_tenant()"),
    ],
)
def test_code_that_is_not_seen_is_warned_of(sql: str, code: str) -> None:
    ended = pinwatch("explain", sql)
    assert ended.returncode == 0
    shown = ended.stdout.splitlines()
    assert shown[0] == f"line 1: {sql}"
    assert shown[1].startswith("Warning, unseen: Neither RDS Proxy nor explain sees")
    assert f"sees the code of {code}: " in shown[1]
    assert shown[-1].startswith("Nothing pins")
    _, (found,) = lines({"sql": f"SELECT 1; {sql};"})
    (warning,) = found["warnings"]
    assert (warning["rule"], warning["position"]) == ("unseen", 10)
    assert warning["statement"] == sql


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("DO $$ BEGIN LISTEN jobs; END $$", "a LISTEN on jobs"),
        (
            "CREATE FUNCTION f(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM set_config('app.tenant', t, false); END $$",
            "the setting app.tenant",
        ),
    ],
)
def test_state_that_a_body_leaves_is_warned_of(code: str, state: str) -> None:
    status, found = answer(f"SELECT 1;\n{code};")
    assert (status, found["pinned"]) == (0, False)
    (warning,) = found["warnings"]
    assert (warning["rule"], warning["position"]) == ("hidden_state", 10)
    assert f"leaves {state} on the database connection" in warning["text"]


def test_the_body_of_a_function_of_more_than_16_kb_is_read() -> None:
    body = "BEGIN " + "NULL;\n" * 3_000 + "LISTEN jobs; END"
    _, found = answer(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS '{body}'")
    (warning,) = found["warnings"]
    assert warning["rule"] == "hidden_state"


@pytest.mark.parametrize(
    "code",
    [
        "DO $$ BEGIN EXECUTE current_query(); END $$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'",
    ],
)
def test_a_body_that_cannot_be_read_is_warned_of(code: str) -> None:
    _, found = answer(code)
    (warning,) = found["warnings"]
    assert warning["rule"] == "unseen"
    assert warning["text"].startswith("explain did not read all code")


@pytest.mark.parametrize(
    "code",
    [
        "DO $$ BEGIN PERFORM set_config('app.tenant', '42', true); END $$",
        "DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_a_body_that_leaves_nothing_is_not(code: str) -> None:
    assert answer(code) == (0, answer("SELECT 1")[1])


def test_functions_are_followed_in_a_database(
    target: str, direct: psycopg.Connection[Any]
) -> None:
    direct.execute(SCHEMA)
    ended = pinwatch("explain", "--database", target, "SELECT app.login('42')")
    assert ended.returncode == 0
    assert (
        "app.login() leaves the setting app.tenant on the database connection, and the "
        "next client gets it. RDS Proxy does not see this, so it does not pin. Path: "
        "app.login() -> app.set_tenant() -> SELECT set_config('app.tenant', t, false)."
    ) in ended.stdout
    safe = pinwatch("explain", "--database", target, "SELECT app.safe('42')")
    assert safe.stdout == "Nothing pins, by the rules of rds-2023-11.\n"
    unknown = pinwatch("explain", "--database", target, "SELECT app.logout()")
    assert "app.logout(): it is not in the catalogue" in unknown.stdout


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://me@127.0.0.1:1/app", "Connection refused"),
        ("mysql://me@db/app", "--database must be a URL of the form postgresql://"),
        ("", "--database"),
    ],
)
def test_a_database_that_cannot_be_read(url: str, problem: str) -> None:
    ended = pinwatch("explain", "--database", url, "SELECT f()")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert problem in ended.stderr


def test_one_refused_statement_hides_no_other() -> None:
    script = "SELECT 1;\nselec 2;\nSELECT nextval('s');\nDISCARD ALL;"
    status, found = answer(script)
    assert (status, found["pinned"], found["parsed"]) == (2, True, False)
    assert [f["rule"] for f in found["findings"]] == ["sequence_function", "discard"]
    (warning,) = found["warnings"]
    assert (warning["statement"], warning["position"]) == ("selec 2", 10)
    ended = pinwatch("explain", script)
    assert ended.returncode == 2
    assert ended.stdout.splitlines()[-1].endswith(
        "2 reasons. 1 of 4 statements could not be judged."
    )


@pytest.mark.parametrize(
    ("sql", "pinned"),
    [
        ("SELECT * FROM t WHERE a = %s AND b = %(b)s", False),
        ("SELECT * FROM t WHERE a = ? LIMIT :many", False),
        ("SELECT set_config('app.tenant', %s, true)", True),
        ("SELECT date $1, interval :i", False),
    ],
)
def test_placeholders_of_drivers_are_read_as_values(sql: str, pinned: bool) -> None:
    status, (found,) = lines({"query": sql})
    assert (status, found["pinned"], found["parsed"]) == (pinned, pinned, True)


@pytest.mark.parametrize(("size", "warned"), [(13_000, False), (13_200, True)])
def test_normalised_text_near_the_limit_is_warned_of(size: int, warned: bool) -> None:
    sql = f"SELECT $1, {'a_column_of_it, ' * (size // 16)}b FROM t"
    _, (found,) = lines({"query": sql})
    assert [w["rule"] for w in found["warnings"]] == ["statement_size"] * warned


def test_an_expensive_text_is_marked() -> None:
    sql = f"SELECT {'1 + ' * 3_000} nextval('s')"
    status, found = answer(sql)
    assert (status, found["approximate"], found["parsed"]) == (1, True, True)
    assert [warning["rule"] for warning in found["warnings"]] == ["approximate"]


def test_a_byte_order_mark_is_no_sql() -> None:
    status, out = explained(b"\xef\xbb\xbfSET a.b = 1", "-")
    assert status == 1
    assert "grammar" not in out


def test_a_warning_is_no_pin() -> None:
    ended = pinwatch("explain", "SELECT lastval()")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1].startswith("Warning, lastval: ")


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
    ("given", "expected"),
    [(b"SET a.b = 1", 1), (b"SET a.b = 1\n", 1), (b"\xff; SET a = 1", 2)],
)
def test_from_standard_input(given: bytes, expected: int) -> None:
    status, out = explained(given, "-")
    assert status == expected
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
        ([], "Give the SQL, the name of a file, or - for standard input."),
        (["--jsonl", "SELECT 1"], "--jsonl reads standard input"),
        (["--profile", "x", "SELECT 1"], "--profile is x, but must be one of rds-2023"),
        (
            ["--profile", "\x1b[2J\n", "SELECT 1"],
            r"pinwatch: --profile is \x1b[2J\n, but",
        ),
        (["\x1b[2J.sql"], r"pinwatch: There is no file \x1b[2J.sql: "),
        (["\x1b a"], r'pinwatch: This is not SQL (syntax error at or near "\x1b")'),
        (["--format", "xml", "SELECT 1"], "Invalid value for '--format'"),
        (
            ["--rule", "select"],
            f"--rule is select, but must be one of {', '.join(NAMES)}.",
        ),
        (["--rule", "set", "SELECT 1"], "--rule prints a page: it takes no SQL"),
        (
            ["--rule", "set", "--format", "json"],
            "--rule prints a page: it takes no SQL",
        ),
        (["SELECT", "1"], "Got unexpected extra argument"),
    ],
)
def test_misuse(arguments: list[str], sentence: str) -> None:
    ended = pinwatch("explain", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert sentence in ended.stderr


def test_every_case_by_lines() -> None:
    """SQL that the grammar refuses pins nothing on the proxy, and is unknown here."""
    status, answers = lines(*PINS)
    assert status == 2
    for case, found in zip(PINS, answers, strict=True):
        assert {key: found[key] for key in case if key != "rule"} == {
            key: value for key, value in case.items() if key != "rule"
        }
        pinned = case["pins"] if found["parsed"] else None
        assert found["pinned"] is pinned, case["sql"]
        assert [f["rule"] for f in found["findings"]][:1] == (
            [case["rule"]] if case["pins"] else []
        )
    assert [
        case["sql"] for case, a in zip(PINS, answers, strict=True) if not a["parsed"]
    ] == ["this is not sql"]


def test_a_line_that_cannot_be_read_is_reported_and_the_run_goes_on() -> None:
    given = (
        b'{"sql": "SET a.b = 1", "calls": 7}\n{"sql":\n[]\n{"sql": 1, "id": 2}\n\n{}'
    )
    status, out, error = run(given, "--jsonl")
    assert status == 2
    assert error.startswith("pinwatch: 4 of 5 lines could not be read: --jsonl reads")
    first, *bad = [json.loads(line) for line in out.splitlines()]
    assert (first["pinned"], first["calls"]) == (True, 7)
    assert [set(answer) - {"sql", "id"} for answer in bad] == [{"error"}] * 4
    assert bad[2]["id"] == 2


def test_keys_of_a_line_do_not_count_as_its_answer() -> None:
    """A line may have keys called error and pinned, as a log of statements has."""
    given = {"sql": "SELECT 1", "error": "deadlock detected", "pinned": None}
    status, out, error = run(json.dumps(given).encode(), "--jsonl")
    assert (status, error) == (0, "")
    assert json.loads(out)["error"] == "deadlock detected"
    _, _, error = run(b'{"sql": 1, "pinned": null}\n{"sql": "selec 1"}', "--jsonl")
    assert error.startswith("pinwatch: 1 of 2 lines could not be read")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [("SELECT 1", 0), ("SET a = 1", 1), ("selec 1", 2)],
)
def test_the_status_of_lines_is_the_worst(sql: str, expected: int) -> None:
    assert lines({"sql": "SELECT 1"}, {"query": sql})[0] == expected


def test_any_text_that_json_can_hold() -> None:
    _, (found,) = lines({"sql": "\ud800 \0 SET a = 1"})
    assert found["pinned"] is None
    assert found["sql"] == "\ud800 \0 SET a = 1"


def test_a_bar_shows_on_a_terminal(tmp_path: Path) -> None:
    """A bar is on standard error while a file is read."""
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
