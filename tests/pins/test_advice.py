"""Which driver is recognised by what it sends, and what it is advised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinwatch.pins.advice import Advice, Idiom, advice, bare, idioms, known
from pinwatch.pins.profiles import PROFILES
from pinwatch.pins.rules import CODES, MAX_STATEMENT
from pinwatch.pins.verdict import Verdict, verdict
from tests.pins.cases import DIGESTS

IDIOMS = idioms()
LENIENT = PROFILES["lenient"]

each_idiom = pytest.mark.parametrize("idiom", IDIOMS, ids=lambda i: i.example)


def advise(found: Verdict) -> Advice | None:
    """Return the advice for the first finding or warning that has any."""
    rules = [finding.rule for finding in found.findings]
    rules += [warning.rule for warning in found.warnings]
    return next(filter(None, (known(found.text, rule) for rule in rules)), None)


def driver(sql: str) -> str | None:
    found = advise(verdict(sql.encode()))
    return None if found is None else found.driver


@each_idiom
def test_example_is_recognised_and_by_no_earlier_entry(idiom: Idiom) -> None:
    found = verdict(idiom.example.encode())
    assert found.findings
    assert advise(found) is idiom.advice
    for finding in found.findings:
        assert advice(found, finding) is idiom.advice


@each_idiom
def test_example_breaks_exactly_the_rules_of_its_entry(idiom: Idiom) -> None:
    found = verdict(idiom.example.encode())
    assert {finding.rule for finding in found.findings} == idiom.rules
    assert idiom.rules <= set(CODES)


@each_idiom
def test_entry_can_be_shown(idiom: Idiom) -> None:
    given = idiom.advice
    assert given.driver
    assert given.text == " ".join(given.text.split())
    assert given.text.endswith(".")
    assert given.source.startswith("https://")
    assert " " not in given.source


@each_idiom
@pytest.mark.parametrize(
    "spelling",
    [
        "/*application:Shop*/ {} /*controller='orders'*/",
        "-- from the pool\n{}\n",
        "  {}  ;",
    ],
)
def test_comments_and_white_space_are_passed_over(idiom: Idiom, spelling: str) -> None:
    found = verdict(spelling.format(idiom.example).encode())
    assert advise(found) is idiom.advice


@each_idiom
def test_case_is_passed_over(idiom: Idiom) -> None:
    assert idiom.pattern.match(bare(idiom.example.upper()))


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
        ("SET search_path TO a, b", None),
        ("SET client_min_messages TO 'warning'", "Rails"),
        (
            "SET client_min_messages TO warning;SET TIME ZONE 'Europe/Berlin';",
            "Sequelize",
        ),
        ("SET client_min_messages TO warning", None),
        ("SET SESSION search_path TO DEFAULT", "pgjdbc"),
        ("SET SESSION statement_timeout TO 5000", "Rails"),
        ("SET SESSION timezone TO 'UTC'", "Rails"),
        ("SET application_name = 'worker-7'", None),
        ("SELECT\n    set_config('jit', $1, false)", "asyncpg"),
        ("SELECT set_config('TimeZone', $1, false)", "Django"),
        ("SELECT set_config('app.tenant', '42', false)", None),
        ("RESET ALL", None),
        ("DISCARD TEMP", None),
        ("DEALLOCATE q", None),
        ('DEALLOCATE "_pg3_12"', "psycopg 3"),
        ("SELECT pg_advisory_lock(7)", None),
        ("SELECT 'deallocate all'", None),
        ("SELECT 1", None),
        ("", None),
    ],
)
def test_similar_idioms_are_distinguished(sql: str, expected: str | None) -> None:
    assert driver(sql) == expected


def test_a_finding_of_no_driver_has_the_rules_advice() -> None:
    found = verdict(b"SET work_mem = '1GB'")
    (finding,) = found.findings
    given = advice(found, finding)
    assert advise(found) is None
    assert (given.text, given.driver, given.source) == (finding.advice, "", "")


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
    assert ("pass the value to the statement" in given) is is_custom


def test_only_the_findings_of_its_rules_are_a_drivers() -> None:
    found = verdict(
        b"SELECT set_config('pghistory.context_id', '5e2d', true); "
        b"SELECT nextval('orders_id_seq')"
    )
    first, second = found.findings
    assert advice(found, first).driver == "django-pghistory"
    assert advice(found, second).text == second.advice


def test_a_warning_is_advised_on_too() -> None:
    found = verdict(b'declare "SQL_CUR0x1" cursor for SELECT 1', LENIENT)
    given = advise(found)
    assert not found.findings
    assert given is not None
    assert given.driver == "psqlODBC"


def test_catalogue_is_read_once() -> None:
    assert idioms() is IDIOMS


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_can_be_asked_about(sql: bytes) -> None:
    found = verdict(sql)
    advise(found)
    for finding in found.findings:
        assert advice(found, finding).text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_bared(sql: str) -> None:
    assert bare(sql) == " ".join(bare(sql).split())


def test_an_oversized_text_has_the_rules_advice() -> None:
    found = verdict(b"/*a*/ SELECT '" + b"x" * MAX_STATEMENT + b"'")
    (finding,) = found.findings
    assert advise(found) is None
    assert advice(found, finding).text == finding.advice
