"""Drivers are recognised by the digest of their SQL, too."""

import pytest

from pinwatch.pins.advice import Entry, entries
from pinwatch.pins.digest import digest
from pinwatch.pins.rules import RULES
from pinwatch.pins.senders import CERTAIN, LIKELY, Advised, advise
from pinwatch.production.judgement import judged

DRIVERS = [one for one in entries() if one.advice.driver and one.example]


def advised(text: str) -> Advised:
    found = judged(text)
    return advise(found, found.decisive[0])


@pytest.mark.parametrize("entry", DRIVERS, ids=lambda entry: entry.example[:60])
def test_the_digest_of_an_example_names_its_driver(entry: Entry) -> None:
    by_sql, by_digest = advised(entry.example), advised(digest(entry.example))
    assert by_sql.driver
    assert by_sql.certainty == CERTAIN
    assert set(by_sql.driver.split(" or ")) <= set(by_digest.driver.split(" or "))
    assert by_digest.certainty in (CERTAIN, LIKELY)


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("set search_path = $1; set names $2;", "likely Prisma"),
        (
            "select pg_advisory_unlock_all(); close all; unlisten *; reset all;",
            "asyncpg",
        ),
        ("set bytea_output = $1", ""),
    ],
)
def test_how_the_driver_is_shown(text: str, by: str) -> None:
    assert advised(text).by == by


def test_several_drivers_that_share_a_digest_are_all_likely() -> None:
    shared = advised("set session search_path to $1")
    assert shared.by == "likely Rails or pgjdbc"


def test_the_only_likely_drivers_advice_follows_the_general_one() -> None:
    assert (
        ". If Prisma sends it: " in advised("set search_path = $1; set names $2").text
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pins)
def test_sql_of_no_driver_names_none(rule: object) -> None:
    sql = getattr(rule, "pins")  # noqa: B009
    if not any(entry.example == sql for entry in DRIVERS):
        assert advised(sql).driver == ""
