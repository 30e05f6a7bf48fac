"""pinwatch lint: verdicts on migrations, the baseline, and the table of settings."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import PATIENCE, PINWATCH, environment, forks, pinwatch

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes files below the test's folder."""

    def write(**files: str) -> None:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return write


def document(*arguments: str, **variables: str) -> dict[str, Any]:
    ended = pinwatch("lint", "--format", "json", *arguments, **variables)
    read = json.loads(ended.stdout)
    assert isinstance(read, dict)
    return read


def verdict(file: Path, *arguments: str) -> tuple[bool | None, str]:
    (one,) = document(str(file), *arguments)["migrations"]
    return one["through_proxy"], one["verdict"]


PAST = "connect it to the database's own endpoint, not to the proxy: "


@pytest.mark.parametrize(
    ("sql", "through", "sentence"),
    [
        ("CREATE TABLE a (id int);", True, "may run through the proxy."),
        (
            "SET a = 1;\nLISTEN x;",
            False,
            f"{PAST}it pins by set at line 2, listen at line 3.",
        ),
        (
            "SET LOCAL a = 1;",
            True,
            "may run through the proxy, if set at line 2 does not pin (contested).",
        ),
        (
            "SET a = 1; -- pinwatch: allow set",
            False,
            f"{PAST}it pins, by rules that are allowed or in the baseline.",
        ),
        (
            "DROP DATABASE shop;",
            False,
            f"{PAST}DROP DATABASE at line 2 fails if the proxy has a connection to "
            "shop open.",
        ),
        (
            "CREATE TABLE pg_temp.a (id int);",
            False,
            f"{PAST}the relation in pg_temp at line 2 stays on the connection for the "
            "next client.",
        ),
        (
            "SELCT;",
            None,
            "no verdict: 1 statement or psql command could not be judged.",
        ),
        (
            "SELECT 'LISTEN a' \\gexec\n\\i b.sql\n",
            None,
            "no verdict: 2 statements or psql commands could not be judged.",
        ),
        ("SELCT; SET a = 1;", False, f"{PAST}it pins by set at line 2."),
        (
            "DO $$ BEGIN\nSET ROLE a; END $$; -- pinwatch: allow hidden_state",
            False,
            f"{PAST}the role at line 3 stays on the connection for the next client.",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'LISTEN x';",
            True,
            "may run through the proxy.",
        ),
        (
            "SET a = 1;\n" * 5,
            False,
            f"{PAST}it pins by set at line 2, set at line 3, set at line 4 and 2 more.",
        ),
    ],
)
def test_the_verdict_on_a_migration(
    tmp_path: Path, sql: str, through: bool | None, sentence: str
) -> None:
    file = tmp_path / "1.sql"
    file.write_text(f"-- +goose Up\n{sql}")
    assert verdict(file) == (through, sentence)


def test_a_contested_pin_counts_in_the_verdict_if_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "V1__x.sql"
    file.write_text("SET LOCAL a = 1;")
    assert verdict(file, "--contested", "fail") == (
        False,
        f"{PAST}it pins by set at line 1; Flyway itself pins by SET ROLE.",
    )


def test_a_migration_whose_tool_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "migrations" / "1.sql"
    file.parent.mkdir()
    file.write_text("SET LOCAL a = 1;")
    assert verdict(file) == (
        True,
        "may run through the proxy, if set at line 1 does not pin (contested), unless "
        "its tool pins.",
    )


def test_functions_that_leave_state_do_not_count_in_the_verdict(tmp_path: Path) -> None:
    file = tmp_path / "1.sql"
    file.write_text(f"-- +goose Up\n{FUNCTION}")
    assert verdict(file, "--leaks", "fail") == (True, "may run through the proxy.")


def test_a_migration_in_python(tmp_path: Path) -> None:
    file = tmp_path / "1a2b.py"
    file.write_text("down_revision = None\n\nop.execute('SET a = 1')\n")
    assert verdict(file) == (False, f"{PAST}it pins by set at line 3.")


def test_a_migration_that_is_sent_as_one_message(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    text = "-- migrate:up\n" + "CREATE TABLE a (id int);\n" * 1_000
    file.write_text(text)
    assert verdict(file) == (
        False,
        f"{PAST}its 25,014 bytes pin if they are sent as one message.",
    )
    file.write_text(text.replace("migrate:up", "+goose Up"))
    assert verdict(file) == (True, "may run through the proxy.")


def test_migrations_with_the_same_verdict_are_one_line(
    tmp_path: Path, write: Write
) -> None:
    for number in range(3):
        write(**{f"migrations/{number}.sql": "CREATE TABLE a (id int);"})
    write(**{"migrations/3.sql": "LISTEN x;", "queries.sql": "SELECT 1;"})
    lines = pinwatch("lint", str(tmp_path)).stdout.splitlines()
    folder = f"{tmp_path}/migrations"
    through = "may run through the proxy, unless its tool pins."
    assert f"{folder}/0.sql and 2 more: {through}" in lines
    assert f"{folder}/3.sql: {PAST}it pins by listen at line 1." in lines
    assert len([line for line in lines if line.startswith(folder)]) == 3


@pytest.mark.parametrize(
    ("folder", "path", "count"),
    [
        (".", "db/migrations", 1),
        ("db/migrations", ".", 1),
        ("src", "..", 1),
        ("src", "{}/db/migrations/1.sql", 1),
        (".", "src", 0),
        ("src", ".", 0),
        ("src", "{}/src", 0),
    ],
)
def test_a_verdict_does_not_depend_on_how_the_path_is_typed(
    tmp_path: Path, write: Write, folder: str, path: str, count: int
) -> None:
    """The project is in a folder called migrations, whose name does not count."""
    project = tmp_path / "migrations" / "shop"
    write(
        **{
            "migrations/shop/pinwatch.toml": "",
            "migrations/shop/db/migrations/1.sql": "SELECT 1;",
            "migrations/shop/src/list.sql": "SELECT 1;",
        }
    )
    ended = subprocess.run(
        [*PINWATCH, "lint", "--format", "json", path.format(project)],
        cwd=project / folder,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert len(json.loads(ended.stdout)["migrations"]) == count


def test_the_verdict_on_standard_input() -> None:
    sql = (
        b"BEGIN;\n\n-- Running upgrade  -> 1a2b\n\nCREATE TABLE a (id int);\nCOMMIT;\n"
    )
    ended = forks().run(["lint", "-"], environment(), sql, timeout=60)
    assert ended.returncode == 0
    assert ended.stdout.decode().splitlines() == [
        "standard input: may run through the proxy.",
        "Nothing pins.",
    ]


def test_standard_input_that_is_empty_is_an_error() -> None:
    ended = forks().run(["lint", "-"], environment(), b"", timeout=60)
    assert ended.returncode == 2
    assert ended.stdout.decode() == "standard input: It is empty.\n"


def test_a_bar_shows_the_progress_on_a_terminal(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": "SELECT 1;"})
    controlling, terminal = os.openpty()
    try:
        ended = subprocess.run(
            [*PINWATCH, "lint", str(tmp_path)],
            env=environment(TERM="xterm"),
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=PATIENCE,
        )
        assert ended.stdout == b"Nothing pins.\n"
        assert b"Linting" in os.read(controlling, 1_000)
    finally:
        os.close(controlling)
        os.close(terminal)


# The baseline.


def test_a_baseline_is_made_and_then_holds(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": "SET a = 1;\nSET a = 2;\n"})
    baseline = ("--baseline", str(tmp_path / "pins.json"), str(tmp_path))
    ended = pinwatch("lint", *baseline, "--update-baseline")
    assert (ended.returncode, ended.stdout) == (
        0,
        f"Baseline written: {tmp_path}/pins.json\n",
    )

    write(**{"a.sql": "SELECT 1;\n\nSET a = 3;\nSET a = 4;\n"})
    ended = pinwatch("lint", *baseline)
    assert (ended.returncode, ended.stdout) == (
        0,
        "Nothing else pins: 2 pins are allowed or in the baseline.\n",
    )
    write(**{"a.sql": "SET a = 1;\nSET a = 2;\nSET a = 3;\n", "b.sql": "LISTEN x;"})
    found = document(*baseline)
    assert [one["line"] for one in found["findings"]] == [3, 1]
    assert found["gone"] == []


def test_entries_that_are_gone_are_counted(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": "SET a = 1;", "b.sql": "LISTEN x;", "c.sql": "LISTEN y;"})
    baseline = ("--baseline", str(tmp_path / "pins.json"))
    pinwatch("lint", *baseline, "--update-baseline", str(tmp_path))
    write(**{"a.sql": "", "b.sql": ""})
    text = pinwatch("lint", *baseline, str(tmp_path)).stdout
    assert "2 entries of the baseline match nothing any more: " in text
    (one,) = document(*baseline, str(tmp_path / "b.sql"))["gone"]
    assert (one["file"], one["rule"], one["count"]) == ("b.sql", "listen", 1)

    pinwatch("lint", *baseline, "--update-baseline", str(tmp_path))
    written = json.loads((tmp_path / "pins.json").read_text())
    assert [one["file"] for one in written["pins"]] == ["c.sql"]


def test_a_file_that_cannot_be_read_keeps_its_entries(
    tmp_path: Path, write: Write
) -> None:
    write(**{"a.py": "c.execute('SET a = 1')\n"})
    options = (str(tmp_path), "--baseline", str(tmp_path / "p"), "--update-baseline")
    pinwatch("lint", *options)
    before = (tmp_path / "p").read_text()
    write(**{"a.py": "c.execute('SET a = 1'\n"})
    ended = pinwatch("lint", *options)
    assert ended.returncode == 2
    assert (
        f"{tmp_path}/a.py:1: This is not Python: '(' was never closed." in ended.stdout
    )
    assert (tmp_path / "p").read_text() == before


def test_known_findings_are_suppressed_in_sarif(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": "SET a = 1;\nLISTEN x; -- pinwatch: allow listen\n"})
    baseline = ("--baseline", str(tmp_path / "pins.json"), str(tmp_path))
    pinwatch("lint", *baseline, "--update-baseline")
    ended = pinwatch("lint", *baseline, "--format", "sarif")
    assert ended.returncode == 0
    (run,) = json.loads(ended.stdout)["runs"]
    kinds = [one["suppressions"][0]["kind"] for one in run["results"]]
    assert kinds == ["external", "inSource"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--update-baseline"], "--update-baseline needs --baseline FILE."),
        (
            ["--baseline", "none.json"],
            "There is no baseline none.json: --update-baseline creates it.",
        ),
        (["--baseline", ""], "--baseline must name a file, such as pins.json."),
        (
            ["--baseline", "none.json", "--update-baseline", "--format", "json"],
            "--update-baseline writes the baseline and no report: leave out --format "
            "json.",
        ),
    ],
)
def test_options_of_the_baseline_that_are_wrong(
    options: list[str], sentence: str
) -> None:
    ended = pinwatch("lint", ".", *options)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"pinwatch: {sentence}")


# State that bodies leave.

FUNCTION = """CREATE FUNCTION app.set_tenant(t text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant', t, false);
END $$;
"""
BLOCK = "DO $$ BEGIN\n    LISTEN jobs;\nEND $$;\n"
REASON = (
    "app.set_tenant() leaves the setting app.tenant on the database connection, and "
    "the next client gets it. RDS Proxy does not see this, so it does not pin."
)


def test_a_function_that_leaves_state_is_shown(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": FUNCTION})
    ended = pinwatch("lint", str(tmp_path))
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        f"{tmp_path}/a.sql:4: hidden_state",
        "  SELECT set_config('app.tenant', t, false)",
        f"  {REASON}",
        "  Fix: set_config(..., true) and SET LOCAL end with the transaction.",
        "Nothing pins.",
        "Functions and DO blocks leave state on the connection in 1 place.",
    ]
    assert pinwatch("lint", "--leaks", "fail", str(tmp_path)).returncode == 1


def test_a_block_that_leaves_state_counts(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": BLOCK})
    assert pinwatch("lint", str(tmp_path)).returncode == 1


def test_the_findings_in_bodies_as_json(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": f"SELECT 1;\n{BLOCK}{FUNCTION}"})
    block, function = document(str(tmp_path))["findings"]
    assert (block["rule"], block["level"]) == ("hidden_state", "error")
    assert (block["line"], block["column"]) == (3, 5)
    assert (function["rule"], function["level"]) == ("hidden_state", "warning")
    assert (function["line"], function["column"]) == (8, 5)
    assert function["digest"] == "select set_config($1, t, $2)"
    assert function["reason"] == REASON


def test_the_findings_in_bodies_as_sarif(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": FUNCTION})
    ended = pinwatch("lint", "--format", "sarif", str(tmp_path))
    (run,) = json.loads(ended.stdout)["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], "help" in rule) == ("hidden_state", True)
    (found,) = run["results"]
    assert (found["level"], REASON in found["message"]["text"]) == ("warning", True)
    region = found["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 4, "startColumn": 5, "endColumn": 48}


def test_state_that_ends_with_the_transaction_is_not_found(
    tmp_path: Path, write: Write
) -> None:
    local = "DO $$ BEGIN\nSET LOCAL ROLE a;\nEND $$;\n"
    write(**{"a.sql": FUNCTION.replace("false", "true") + local})
    assert pinwatch("lint", str(tmp_path)).stdout == "Nothing pins.\n"


def test_a_function_of_more_than_16_kb_is_read(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": FUNCTION.replace("BEGIN\n", "BEGIN\n" + "    NULL;\n" * 2_000)})
    found = document(str(tmp_path))["findings"]
    assert [(one["rule"], one["line"]) for one in found] == [
        ("statement_size", 1),
        ("hidden_state", 2_004),
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('c.execute("""\n    DO $$ BEGIN\n    SET a.b = 1; END $$\n""")\n', 3),
        ('c.execute(f"""DO $$ BEGIN\n    SET a.b = {x}; END $$\n""")\n', 2),
        ("\nc.execute('DO $$ BEGIN\\n SET a.b = 1; END $$')\n", 2),
        ("c.execute('DO $$ BEGIN SET a.b = \\'\\ud800\\'; END $$')\n", 1),
    ],
)
def test_the_line_in_python(
    tmp_path: Path, write: Write, source: str, line: int
) -> None:
    write(**{"a.py": source})
    (found,) = document(str(tmp_path))["findings"]
    assert (found["rule"], found["line"]) == ("hidden_state", line)


@pytest.mark.parametrize(
    "text",
    [
        f"-- pinwatch: allow hidden_state\n{BLOCK}",
        BLOCK.replace("jobs;", "jobs; -- pinwatch: allow listen, hidden_state"),
    ],
)
def test_a_comment_allows_state(tmp_path: Path, write: Write, text: str) -> None:
    write(**{"a.sql": text})
    ended = pinwatch("lint", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (0, "Nothing pins.\n")


def test_the_settings_allow_state(tmp_path: Path, write: Write) -> None:
    write(
        **{
            "pinwatch.toml": '[lint.allow]\n"db/" = ["hidden_state"]',
            "db/a.sql": BLOCK,
            "a.sql": BLOCK,
        }
    )
    found = document("--config", str(tmp_path / "pinwatch.toml"), str(tmp_path))
    assert [one["file"] for one in found["findings"]] == [f"{tmp_path}/a.sql"]


def test_a_baseline_has_state_that_counts(tmp_path: Path, write: Write) -> None:
    write(**{"a.sql": BLOCK + FUNCTION})
    options = ("--leaks", "fail", "--baseline", str(tmp_path / "p"), str(tmp_path))
    pinwatch("lint", "--update-baseline", *options)
    write(**{"a.sql": f"SELECT 1;\n{BLOCK}{FUNCTION}"})
    assert pinwatch("lint", *options).returncode == 0
    write(**{"a.sql": BLOCK + FUNCTION + FUNCTION})
    (found,) = document(*options)["findings"]
    assert (found["rule"], found["line"]) == ("hidden_state", 12)


# The settings.

SETTINGS = """
listen = "0.0.0.0:6432"  # refused by pinwatch up without a password

[lint]
paths = ["db", "src"]
exclude = ["seeds/"]
baseline = "pins.json"

[lint.allow]
"db/*" = ["set"]
"""


def test_the_settings_name_what_is_linted(tmp_path: Path, write: Write) -> None:
    write(
        **{
            "pinwatch.toml": SETTINGS,
            "db/a.sql": "SET a = 1;\nLISTEN x;",
            "db/seeds/b.sql": "LISTEN y;",
            "src/a.py": "c.execute('SET a = 1')",
            "other/a.sql": "LISTEN z;",
            "pins.json": '{"version": 1, "pins": []}',
        }
    )
    config = ("--config", str(tmp_path / "pinwatch.toml"))
    found = document(*config)
    assert [(Path(one["file"]).name, one["rule"]) for one in found["findings"]] == [
        ("a.sql", "listen"),
        ("a.py", "set"),
    ]
    assert document(*config, str(tmp_path / "db" / "seeds" / "b.sql"))["findings"] == []
    pinwatch("lint", *config, "--update-baseline")
    assert len(json.loads((tmp_path / "pins.json").read_text())["pins"]) == 2
    assert pinwatch("lint", *config).returncode == 0


def test_standard_input_is_not_excluded(tmp_path: Path, write: Write) -> None:
    write(**{"pinwatch.toml": '[lint]\nexclude = ["*"]'})
    config = ["lint", "--config", str(tmp_path / "pinwatch.toml"), "-"]
    ended = forks().run(config, environment(), b"SET a = 1;", timeout=60)
    assert ended.returncode == 1
    assert ended.stdout.startswith(b"line 1: set\n")


def test_the_nearest_file_of_settings_is_found(tmp_path: Path, write: Write) -> None:
    write(
        **{
            "pinwatch.toml": '[lint]\npaths = ["db"]\n',
            "db/a.sql": "SET a = 1;",
            "src/a/b.txt": "",
        }
    )
    ended = subprocess.run(
        [*PINWATCH, "lint"],
        cwd=tmp_path / "src" / "a",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("../../db/a.sql:1: set\n")


def test_a_variable_overrides_the_file(tmp_path: Path, write: Write) -> None:
    write(**{"pinwatch.toml": "[lint]\npaths = [1]", "a.sql": "SET a = 1;"})
    found = document(
        "--config",
        str(tmp_path / "pinwatch.toml"),
        PINWATCH_LINT__PATHS='["a.sql"]',
    )
    assert [one["rule"] for one in found["findings"]] == ["set"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[lint]\npath = []", "lint.path is not a setting: did you mean lint.paths?"),
        ("[lnt]\npaths = []", "lnt is not a setting: did you mean lint?"),
        ("[lint]\npaths = 'db'", "lint.paths is db, but must be a list."),
        ("[lint]\nexclude = [1]", "lint.exclude[0] is 1, but must be text."),
        ("[lint.allow]\na = 'set'", "lint.allow: a must be a list of rules."),
        (
            "[lint]\npaths = ['.']\nallow = {a = ['x']}",
            'lint.allow."a": x is not a rule: must be one of set, ',
        ),
        (
            "[lint]\npaths = ['.']\nbaseline = ''",
            "lint.baseline must name a file, such as pins.json.",
        ),
        ("lint = 1", "lint is 1, but must be a table."),
        ("", "Give a folder, a file, or - for standard input, or set lint.paths"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text(text)
    ended = pinwatch("lint", "--config", str(file))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"pinwatch: {sentence}")
