"""Code inside a statement that RDS Proxy does not see."""

from importlib.resources import files

import psycopg
import pytest

from pinwatch.pins.unseen import COMMENT, NAMES, Unseen, functions, unseen
from pinwatch.pins.verdict import verdict


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("CALL archive(2025)", ("CALL archive",)),
        ("CALL billing.archive(f(2025))", ("CALL billing.archive", "f()")),
        ("DO $$ BEGIN PERFORM set_config('a.b', '1', false); END $$", ("DO",)),
        ("SELECT set_tenant('42')", ("set_tenant()",)),
        ("SELECT * FROM report(1) JOIN t ON f(a) = f(b)", ("report()", "f()")),
        ("SELECT billing.nextval('s')", ("billing.nextval()",)),
        ("INSERT INTO t SELECT f(1)", ("f()",)),
        ("EXPLAIN ANALYZE SELECT f(1)", ("f()",)),
    ],
)
def test_code_is_named(sql: str, code: tuple[str, ...]) -> None:
    assert verdict(sql.encode()).findings == ()
    assert [*unseen(sql)] == [Unseen(code, 0, len(sql))]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now(), count(*), coalesce(a, upper(b)), pg_catalog.lower(c) FROM t",
        "SELECT extract(year FROM a), position('a' IN b), trim(c), '1'::int FROM t",
        "SELECT set_config('a.b', '1', true), nextval('s')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT g() $$",
        "CREATE TABLE t (a int DEFAULT f())",
        "EXPLAIN SELECT f(1)",
        "SELECT 'CALL p()'",
        "selec f(1)",
        "",
    ],
)
def test_other_statements_have_none(sql: str) -> None:
    assert [*unseen(sql)] == []


def test_each_statement_has_its_position() -> None:
    text = "SELECT 'é';  CALL p(); SELECT 1; SELECT f()"
    spans = [(one.position, one.position + one.size) for one in unseen(text)]
    assert [text[slice(*span)] for span in spans] == ["CALL p()", "SELECT f()"]


def test_an_expensive_text_is_passed_over() -> None:
    assert [*unseen(f"SELECT {'1 + ' * 5_000} f(1)")] == []


def test_the_functions_are_those_of_postgresql_18(
    direct: psycopg.Connection[tuple[str]],
) -> None:
    lines = (files("pinwatch.pins") / NAMES).read_text("utf-8").splitlines()
    query = lines[1].removeprefix(COMMENT)
    assert functions() == {name for (name,) in direct.execute(query.encode())}
