"""The catalogue of advice: what its entries recognise, and what they say."""

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pinwatch.pins.advice import Entry, advice, bare, by_rule, entries
from pinwatch.pins.rules import CODES, MAX_STATEMENT
from pinwatch.pins.verdict import parse_message, verdict
from tests.pins.cases import DIGESTS

ENTRIES = entries()
DRIVERS = [one for one in ENTRIES if one.advice.driver]
EXAMPLES = [one for one in ENTRIES if one.example]
WHOLE = [one for one in DRIVERS if one.text is not None and not one.statement]


def named(entry: Entry) -> str:
    return f"{entry.rules[0]}: {entry.advice.title}"


each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=named)
each_example = pytest.mark.parametrize("entry", EXAMPLES, ids=named)
each_driver = pytest.mark.parametrize("entry", DRIVERS, ids=named)


def driver(sql: str) -> str:
    """Return the driver of the advice on the first finding, or an empty string."""
    found = verdict(sql.encode())
    return advice(found, found.findings[0]).driver if found.findings else ""


@each_example
def test_example_is_recognised_and_by_no_earlier_entry(entry: Entry) -> None:
    found = verdict(entry.example.encode())
    assert found.findings
    for finding in found.findings:
        assert advice(found, finding) is entry.advice


@each_example
def test_example_breaks_a_rule_of_its_entry(entry: Entry) -> None:
    found = verdict(entry.example.encode())
    assert {finding.rule for finding in found.findings} <= set(entry.rules)


@each_driver
def test_a_drivers_example_breaks_exactly_the_rules_of_its_entry(entry: Entry) -> None:
    found = verdict(entry.example.encode())
    assert {finding.rule for finding in found.findings} == set(entry.rules)


@pytest.mark.parametrize("rule", CODES)
def test_each_rule_has_general_advice(rule: str) -> None:
    *special, general = by_rule()[rule]
    assert general.is_general
    assert general.advice.summary.endswith(".")
    assert not any(entry.is_general or entry.advice.summary for entry in special)
    titles = [entry.advice.title for entry in by_rule()[rule]]
    assert len(set(titles)) == len(titles)


@each_entry
def test_entry_is_complete(entry: Entry) -> None:
    said = entry.advice
    assert entry.rules
    assert set(entry.rules) <= set(CODES)
    assert said.text == " ".join(said.text.split())
    assert all(one.endswith(".") for one in (said.why, said.best, said.second))
    assert said.second != said.best
    assert not said.accept.endswith(".")
    assert said.code
    assert said.language
    assert len(set(said.sources)) == len(said.sources)
    assert all(re.fullmatch(r"https://\S+", one) for one in said.sources)


@each_entry
def test_texts_are_markdown_with_no_markup_but_backticks(entry: Entry) -> None:
    said = entry.advice
    for text in (said.summary, said.why, said.best, said.second, said.accept):
        (inline,) = MarkdownIt().parseInline(text)
        kinds = {token.type for token in inline.children or ()}
        assert kinds <= {"text", "code_inline", "text_special"}, text
    assert "```" not in said.code


@each_entry
def test_code_is_right_and_does_not_pin(entry: Entry) -> None:
    code = entry.advice.code
    if entry.advice.language == "sql":
        found = verdict(code.encode())
        assert (found.error, found.findings) == ("", ())
    elif entry.advice.language == "python":
        ast.parse(f"async def run():\n{re.sub('^', ' ', code, flags=re.M)}")


@pytest.mark.parametrize("entry", WHOLE, ids=named)
@pytest.mark.parametrize(
    "spelling",
    [
        "/*application:Shop*/ {} /*controller='orders'*/",
        "-- from the pool\n{}\n",
        "  {}  ;",
    ],
)
def test_comments_and_white_space_are_passed_over(entry: Entry, spelling: str) -> None:
    found = verdict(spelling.format(entry.example).encode())
    assert advice(found, found.findings[0]) is entry.advice


@pytest.mark.parametrize("entry", WHOLE, ids=named)
def test_case_is_passed_over(entry: Entry) -> None:
    assert entry.text is not None
    assert entry.text.match(bare(entry.example.upper()))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("pin-prisma-searchpath-names-2021", "Prisma"),
        ("pin-asyncpg-reset-2024", "asyncpg"),
        ("pin-glue-isolation-2025-info", "pgjdbc, SQLAlchemy or Laravel"),
        ("pin-rails-clientencoding-2023", "ruby-pg or Diesel"),
        ("pin-pghistory-setconfig-2025", "django-pghistory"),
        ("pin-django-withhold-2026-info", "Django"),
    ],
)
def test_reported_pins_are_recognised(case: str, expected: str) -> None:
    (sql,) = (each["sql"] for each in DIGESTS if each["id"] == case)
    assert driver(sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('set search_path to "a"', "Laravel or Knex"),
        ('set search_path to "a", "b"', "Laravel or Knex"),
        ('set search_path to "a","b"', "Knex"),
        ("SET search_path TO a, b", ""),
        ("SET client_min_messages TO 'warning'", "Rails"),
        (
            "SET client_min_messages TO warning;SET TIME ZONE 'Europe/Berlin';",
            "Sequelize",
        ),
        ("SET client_min_messages TO warning", ""),
        ("SET SESSION search_path TO DEFAULT", "pgjdbc"),
        ("SET SESSION statement_timeout TO 5000", "Rails"),
        ("SET SESSION timezone TO 'UTC'", "Rails"),
        ("SET application_name = 'worker-7'", ""),
        ("SELECT\n    set_config('jit', $1, false)", "asyncpg"),
        ("SELECT set_config('TimeZone', $1, false)", "Django"),
        ("SELECT set_config('app.tenant', '42', false)", ""),
        ("RESET ALL", ""),
        ("DISCARD TEMP", ""),
        ("DEALLOCATE q", ""),
        ('DEALLOCATE "_pg3_12"', "psycopg 3"),
        ("SELECT pg_advisory_lock(7)", ""),
        ("SELECT pg_try_advisory_lock(5843596595875314990)", "Rails"),
        ("SELECT pg_try_advisory_lock(5843596595875314991)", ""),
        ("SELECT 'deallocate all'", ""),
        ("SELECT 1", ""),
        ("", ""),
    ],
)
def test_similar_idioms_are_distinguished(sql: str, expected: str) -> None:
    assert driver(sql) == expected


@pytest.mark.parametrize(
    ("sql", "is_custom"),
    [
        ("SET app.tenant = '42'", True),
        ("SET LOCAL app.tenant TO '42'", True),
        ("SELECT set_config('app.tenant', $1, true)", True),
        ("SET work_mem = '1GB'", False),
        ("SELECT set_config('work_mem', '1GB', true)", False),
        ("SELECT set_config($1, $2, true)", False),
        ("SELECT nextval('app.orders_id_seq')", False),
    ],
)
def test_a_custom_setting_is_not_advised_to_move(sql: str, is_custom: bool) -> None:
    found = verdict(sql.encode())
    (finding,) = found.findings
    given = advice(found, finding).text
    assert ("pass the value to each statement" in given) is is_custom


@pytest.mark.parametrize(
    ("sql", "title"),
    [
        ("CREATE TEMP TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED)", "values"),
        ("CREATE LOCAL TEMPORARY TABLE t (a) AS VALUES (1)", "query's result"),
        ("CREATE TEMP TABLE t ON COMMIT DROP AS TABLE orders", "query's result"),
        ("WITH a AS (SELECT 1 AS b) SELECT b INTO TEMP t FROM a", "query's result"),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "query's result"),
        ("CREATE TEMP SEQUENCE s", "Any temporary object"),
    ],
)
def test_forms_of_temporary_objects_are_distinguished(sql: str, title: str) -> None:
    found = verdict(sql.encode())
    assert title in advice(found, found.findings[0]).title


def test_only_the_findings_of_its_rules_are_a_drivers() -> None:
    found = verdict(
        b"SELECT set_config('pghistory.context_id', '5e2d', true); "
        b"SELECT nextval('orders_id_seq')"
    )
    first, second = found.findings
    assert advice(found, first).driver == "django-pghistory"
    assert advice(found, second) is by_rule()["sequence_function"][-1].advice


def test_catalogue_is_read_once() -> None:
    assert entries() is ENTRIES


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_finding_has_advice(sql: bytes, application: str) -> None:
    found = verdict(sql)
    for finding in found.findings:
        assert advice(found, finding, application).text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_bared(sql: str) -> None:
    assert bare(sql) == " ".join(bare(sql).split())


def test_the_beginning_of_a_long_text_is_compared() -> None:
    columns = ", ".join(f"c{number} int" for number in range(1_000))
    found = verdict(f"CREATE TEMP TABLE t ({columns})".encode())
    assert "values" in advice(found, found.findings[0]).title


def test_findings_without_a_statement_have_their_rules_advice() -> None:
    for found in (
        verdict(b"/*a*/ SELECT '" + b"x" * MAX_STATEMENT + b"'"),
        parse_message("SELECT 1"),
    ):
        (finding,) = found.findings
        assert advice(found, finding) is by_rule()[finding.rule][-1].advice
