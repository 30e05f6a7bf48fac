"""pinwatch lint: what pins is found at its line, in each kind of file."""

import ast
import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwatch.lint.placeholders import without_placeholders
from pinwatch.lint.python import literals
from pinwatch.pins.rules import RULES
from tests.cli.command import forks, pinwatch

HERE: Final = "@@"  # in a template, where the SQL stands
SCRIPTS: Final = {
    "plain": "CREATE TABLE a (id int);\n@@;\nINSERT INTO a VALUES (1);\n",
    "psql": (
        "\\set ON_ERROR_STOP on\n"
        "COPY a FROM stdin;\nSET x TO 'y'\n\\.\n"
        "\\echo SET y\n@@;\n"
        "SELECT 'CREATE DATABASE b' \\gexec\n"
    ),
    "Flyway": "CREATE TABLE ${schema}.a (id int DEFAULT ${n});\n\n@@;\n",
    "goose": (
        "-- +goose Up\n-- +goose StatementBegin\n"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;\n"
        "-- +goose StatementEnd\n@@;\n-- +goose Down\nDROP FUNCTION f();\n"
    ),
    "dbmate": "-- migrate:up\n@@;\n\n-- migrate:down\nDROP TABLE a;\n",
    "sqitch": "-- Deploy app:a to pg\n-- requires: b\n\nBEGIN;\n\n@@;\n\nCOMMIT;\n",
    "Prisma": '-- CreateTable\nCREATE TABLE "A" ("id" SERIAL NOT NULL);\n\n@@;\n',
    "Alembic": (
        "BEGIN;\n\n-- Running upgrade  -> 1a2b\n\n@@;\n\n"
        "INSERT INTO alembic_version (version_num) VALUES ('1a2b');\n\nCOMMIT;\n"
    ),
    "sqlc": (
        "-- name: GetAuthor :one\nSELECT * FROM authors WHERE id = $1 LIMIT 1;\n\n"
        "-- name: Named :exec\nUPDATE a SET b = @b WHERE c = sqlc.arg(c);\n\n"
        "-- name: Pins :exec\n@@;\n"
    ),
    "aiosql": "-- name: get(id)\nSELECT * FROM a WHERE id = :id;\n\n-- name: f!\n@@;\n",
    "Jinja": "{% if target %}\nSELECT * FROM {{ ref('a') }};\n{% endif %}\n@@;\n",
}
PYTHON: Final = {
    "execute": "def f(c):\n    return c.execute(@@)\n",
    "fetch": "async def f(c):\n    await c.fetchrow(@@, 1)\n",
    "text": "from sqlalchemy import text\n\nQUERY = text(@@)\n",
    "RunSQL": "operations = [\n    RunSQL([\n        (@@, None),\n    ])\n]\n",
    "a keyword": "migrations.RunSQL('SELECT 1', reverse_sql=@@)\n",
    "RunSQL's reverse": "migrations.RunSQL('SELECT 1', @@)\n",
    "lists by keyword": "RunSQL(\n  sql=['SELECT 1', @@], reverse_sql=['SELECT 2'])\n",
    "a statement": "connection.execute(\n    statement=@@\n)\n",
    "a module's constant": "QUERY: Final = @@\n\ndef f(c):\n    c.execute(QUERY)\n",
    "a local name": "def f(c):\n    sql = @@\n    if c:\n        c.execute(sql)\n",
    "a loop": "ALL = (\n    @@,\n)\nfor sql in ALL:\n    op.execute(sql)\n",
    "a choice": "c.execute('SELECT 1' if x else @@)\n",
    "dedent": "c.execute(textwrap.dedent(@@).strip())\n",
    "psycopg2's batch": "execute_values(cursor, @@, rows)\n",
    "SQLAlchemy's driver": "connection.exec_driver_sql(@@)\n",
    "no ASCII": "ö = 'äöü'; c.execute(@@)\n",
}


def found(path: Path, *arguments: str) -> dict[str, Any]:
    ended = pinwatch("lint", str(path), "--format", "json", *arguments)
    document = json.loads(ended.stdout)
    assert isinstance(document, dict)
    return document


def places(document: dict[str, Any]) -> list[tuple[str, int]]:
    return sorted((one["rule"], one["line"]) for one in document["findings"])


def line_of(template: str) -> int:
    return template[: template.index(HERE)].count("\n") + 1


def written(folder: Path, suffix: str, template: str, quoted: bool) -> Path:
    """Write a file for each rule; return the folder."""
    for number, rule in enumerate(RULES):
        for name, sql in (("pins", rule.pins), ("passes", rule.passes)):
            text = template.replace(HERE, repr(sql) if quoted else sql)
            (folder / f"{name}_{number:02}{suffix}").write_text(text)
    return folder


def expected(template: str) -> dict[str, tuple[str, int]]:
    """Return the rule and the line by the file's number."""
    return {
        f"pins_{number:02}": (rule.code, line_of(template))
        for number, rule in enumerate(RULES)
    }


@pytest.mark.parametrize(
    ("template", "suffix"),
    [
        *[pytest.param(each, ".sql", id=name) for name, each in SCRIPTS.items()],
        *[pytest.param(each, ".py", id=name) for name, each in PYTHON.items()],
    ],
)
def test_each_rule_is_found_at_its_line_and_nothing_else(
    tmp_path: Path, template: str, suffix: str
) -> None:
    document = found(written(tmp_path, suffix, template, suffix == ".py"))
    assert document["problems"] == []
    assert {
        Path(one["file"]).stem: (one["rule"], one["line"])
        for one in document["findings"]
    } == expected(template)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('c.execute("""\n    SELECT 1;\n    SET a = 1\n""")\n', 3),
        ('c.execute(f"""\n    SELECT {x};\n    SET a = {y}\n""")\n', 3),
        ('c.execute("""\n  SELECT \\x31;\n  SET a = 1\n""".strip())\n', 3),
        ('c.execute(f"SELECT {x};\\nSET a = 1"\n)\n', 1),
        ('c.execute(\n    "SET "\n    "a = 1"\n)\n', 2),
        ('c.execute("SET a =\\t1")\n', 1),
        ("c.execute('SELECT %s', 'SET a = 1')\n", 0),
        ("c.print('SET a = 1')\n", 0),
        ("log.info(f'SET a = {x}')\n", 0),
        ("c.execute(b'SET a = 1')\n", 1),
        ("c.execute('SELECT %s; SET a = %s')\n", 1),
        ("c.execute(SQL('SET {} = 1').format(x))\n", 1),
        ("c.execute('SET a TO %s' % x)\n", 1),
        ("c.execute('SET a TO {}'.format(x))\n", 1),
        ("c.execute('SET ' + x + ' = 1')\n", 1),
        ("c.execute(x + y)\n", 0),
        ("SQL = 'SET a = 1'\ndef f(SQL):\n    c.execute(SQL)\n", 0),
        ("SQL = 'SET a = 1'\ndef f():\n    SQL = x\n    c.execute(SQL)\n", 0),
        ("def f():\n    q = 'SET a = 1'\ndef g():\n    c.execute(q)\n", 0),
        ("def f():\n    q = 'SET a = 1'\n    def g():\n        c.execute(q)\n", 2),
        ("q = 'SET a = 1'\nc.execute(q)\nc.execute(q)\n", 1),
        ("q = q % x\nc.execute(q)\n", 0),
        ("c.execute('SET a = 1'" + " + x" * 2_000 + ")\n", 1),
        ("x = 'a\\x0bb\x0b\u2028\x1c'\nc.execute('SET a = 1')\n", 2),
        ("x = 1\n\x0c\nc.execute('SET a = 1')\n", 3),
        ('c.execute("""\r\nSELECT 1;\r\nSET a = 1\r\n""")\r\n', 3),
        ("c.execute('SET a = \"\\d\"')\n", 1),
        ("sa.text('SET a = 1')\n", 1),
        ("plt.text('SET a TO 1')\n", 0),
        ("st.text('Set the value')\nsoup.find(text='SET a = 1')\n", 0),
        ("ssh.execute('set -e; ls')\nrobot.execute('Prepare the meal')\n", 0),
    ],
)
def test_strings_of_python(tmp_path: Path, source: str, line: int) -> None:
    file = tmp_path / "a.py"
    file.write_text(source)
    assert places(found(file)) == ([("set", line)] if line else [])


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("-- pinwatch: allow set\nSET a = 1;\nSET b = 1;\n", ["set"]),
        ("SET a = 1; -- pinwatch: allow set\nLISTEN x;\n", ["listen"]),
        ("SET\n  a = -- pinwatch: allow set\n  1;\n", []),
        ("-- pinwatch: allow listen, set\nSET a = 1;\n", []),
        ("-- pinwatch: allow listen\nSET a = 1;\n", ["set"]),
        ("-- pinwatch: allow set\n\nSET a = 1;\n", ["set"]),
        ("-- pinwatch: allow set\n-- for the index\nSET a = 1;\n", []),
        ("SET a = 1; -- pinwatch: allow set\nSET b = 1;\n", ["set"]),
    ],
)
def test_a_comment_allows_a_rule(tmp_path: Path, text: str, rules: list[str]) -> None:
    file = tmp_path / "a.sql"
    file.write_text(text)
    assert [rule for rule, _ in places(found(file))] == rules


def test_a_comment_of_python_allows_a_rule(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "# pinwatch: allow set\nc.execute('SET a = 1')\nc.execute('SET b = 1')\n"
    )
    assert places(found(file)) == [("set", 3)]


def test_a_comment_at_the_statement_of_python_allows_a_rule(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "# pinwatch: allow set\nc.execute(\n\n    'SET a = 1',\n)\n"
        "c.execute(\n    text(\n        'SET a = 1'\n    )\n)  # pinwatch: allow set\n"
        "c.execute('SET a = 1')\n"
    )
    assert places(found(file)) == [("set", 11)]


def test_each_file_is_linted_once(tmp_path: Path) -> None:
    """A link to a folder may lead back; names may have capital letters."""
    (tmp_path / "V1.SQL").write_text("SET a = 1;")
    (tmp_path / "again").symlink_to(tmp_path)
    document = found(tmp_path, str(tmp_path / "V1.SQL"))
    assert places(document) == [("set", 1)]


def test_lines_may_end_as_on_windows_and_on_an_old_mac(tmp_path: Path) -> None:
    for number, end in enumerate((b"\r\n", b"\r")):
        file = tmp_path / f"{number}.sql"
        file.write_bytes(b"SELECT 1;" + end + b"SET a = 1;" + end)
        assert places(found(file)) == [("set", 2)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("a.sql", "-- \xe4\nSET a = 1;\n"), ("a.py", "# \xe4\nc.execute('SET a = 1')\n")],
)
def test_a_byte_order_mark_shows_the_encoding(
    tmp_path: Path, encoding: str, name: str, text: str
) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / name).write_bytes(f"{mark}{text}".encode(encoding))
    assert places(found(tmp_path)) == [("set", 2)]


def test_files_may_be_empty(tmp_path: Path) -> None:
    """Tools create empty migrations, and packages have empty files."""
    (tmp_path / "1_x.down.sql").touch()
    (tmp_path / "__init__.py").touch()
    document = found(tmp_path)
    assert (document["findings"], document["problems"]) == ([], [])


def test_templates_of_dbt(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text(
        "{{ config(\n  materialized='table'\n) }}\n{# SET a = 1; #}\n"
        "SELECT $${a}$$, {{\n x }};\nLISTEN x;\n"
    )
    document = found(file)
    assert places(document) == [("listen", 7)]
    assert document["problems"] == []


@given(st.text(alphabet="{}$%@#ab c(n\n.") | st.text())
def test_placeholders_keep_the_length(text: str) -> None:
    assert len(without_placeholders(text)) == len(text)


@given(st.text(), st.text(alphabet="ab\r\n\x0c\x1c\u2028\xe4\U0001f600'"))
def test_literals_are_where_they_say(sql: str, before: str) -> None:
    source = f"x = {before!r}  # {before.translate({10: None, 13: None})}\n"
    source = f"{source}c.execute({sql!r})\n".replace("\0", "")
    (one,) = literals(source)
    assert one.sql == sql
    if one.is_verbatim:
        assert source.startswith(sql, one.start)
    else:
        assert ast.literal_eval(source[one.start : one.end]) == sql


def test_a_long_script(tmp_path: Path) -> None:
    """The time of each statement does not grow with the file."""
    file = tmp_path / "a.sql"
    file.write_text("SELECT 1;\n" * 20_000 + "LISTEN x;\n")
    assert places(found(file)) == [("listen", 20_001)]


def test_the_statement_of_a_string_is_shown_as_it_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("c.execute(\n    'SET a '\n    f'= {x}'\n)\n")
    (one,) = found(file)["findings"]
    assert (one["statement"], one["line"]) == ("SET a = x", 2)


def test_folders_without_source_of_the_application_are_skipped(tmp_path: Path) -> None:
    for folder in ("a", "node_modules", ".venv", "venv", "b/__pycache__"):
        path = tmp_path / folder
        path.mkdir(parents=True)
        (path / "x.sql").write_text("SET a = 1;")
        (path / "x.txt").write_text("SET a = 1;")
    (one,) = found(tmp_path)["findings"]
    assert one["file"] == str(tmp_path / "a" / "x.sql")


def test_standard_input() -> None:
    ended = forks().run(["lint", "-"], {}, b"BEGIN;\nSET a = 1;\nCOMMIT;\n", timeout=60)
    assert ended.returncode == 1
    assert ended.stdout.decode().splitlines()[0] == "line 2: set"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.py", "1\ndef f(:\n", "a.py:2: This is not Python: invalid syntax."),
        ("a.sql", "SELECT 1;\n\0", "a.sql:2: This is not text: it has NUL characters."),
        ("a.sql", "SELECT 1;\nSELECT '", "a.sql:2: This could not be judged: "),
        ("a.sql", "SELCT 1;", "This could not be judged: "),
    ],
)
def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "good.sql").write_text("LISTEN x;")
    ended = pinwatch("lint", str(tmp_path))
    assert ended.returncode == 2
    assert sentence in ended.stdout
    assert f"{tmp_path}/good.sql:1: listen" in ended.stdout


def test_no_such_path(tmp_path: Path) -> None:
    ended = pinwatch("lint", str(tmp_path / "none.sql"))
    assert ended.returncode == 2
    assert ended.stdout == f"{tmp_path}/none.sql: No such file or directory.\n"


@pytest.mark.parametrize(
    ("arguments", "status"), [([], 0), (["--contested", "fail"], 1)]
)
def test_contested_findings(tmp_path: Path, arguments: list[str], status: int) -> None:
    file = tmp_path / "a.sql"
    file.write_text("BEGIN;\nSET LOCAL work_mem = '1MB';\nCOMMIT;\n")
    assert pinwatch("lint", str(file), *arguments).returncode == status


@pytest.mark.parametrize("format", ["sarif", "github", "junit"])
def test_other_formats(tmp_path: Path, format: str) -> None:
    file = tmp_path / "a.sql"
    file.write_text("LISTEN x;")
    ended = pinwatch("lint", str(file), "--format", format)
    assert ended.returncode == 1
    assert "a.sql" in ended.stdout
    assert "listen" in ended.stdout
