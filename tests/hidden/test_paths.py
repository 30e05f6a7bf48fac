"""The ways by which a statement leaves state, through a real catalogue."""

from typing import Any

import psycopg
import pytest

from pinwatch.cli.database import follower as reading
from pinwatch.hidden.paths import Follower
from tests.hidden.schema import SCHEMA


@pytest.fixture
def follower(direct: psycopg.Connection[Any], target: str) -> Follower:
    direct.execute(SCHEMA)
    return reading(target)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "SELECT app.login('a')",
            ["app.login() -> app.set_tenant() -> "
             "SELECT set_config('app.tenant', t, false)"],
        ),
        (
            "SELECT * FROM app.set_tenant($1)",
            ["app.set_tenant() -> SELECT set_config('app.tenant', t, false)"],
        ),
        ("SELECT login()", ["login() -> LISTEN a"]),
        ("SELECT public.login()", ["public.login() -> LISTEN a"]),
        ("INSERT INTO app.orders VALUES (1)", ["app.audit() -> LISTEN audits"]),
        ("COPY app.orders FROM STDIN", ["app.audit() -> LISTEN audits"]),
        ("SELECT app.order()", ["app.order() -> app.audit() -> LISTEN audits"]),
        ("DO $$ BEGIN PERFORM login(); END $$", ["DO -> login() -> LISTEN a"]),
        ("DO $$ BEGIN LISTEN b; END $$", ["DO -> LISTEN b"]),
        ("SELECT app.safe('a'), endless(1), app.unknown()", []),
        ("UPDATE app.orders SET id = 2", []),
        ("COPY app.orders TO STDOUT", []),
        ("LISTEN a", []),
    ],
)  # fmt: skip
def test_paths(follower: Follower, statement: str, expected: list[str]) -> None:
    assert [str(path) for path in follower.follow(statement).paths] == expected


def test_a_name_without_a_schema_is_looked_up_in_the_search_path(
    follower: Follower,
) -> None:
    assert not follower.catalogue.definitions("set_tenant")
    assert len(follower.catalogue.definitions("app.set_tenant")) == 1


def test_a_statement_that_cannot_be_read_is_named(follower: Follower) -> None:
    found = follower.follow("SELECT app.login('a') FROM")
    assert found.unread == ["syntax error at end of input"]


def test_code_that_cannot_be_read_is_named(follower: Follower) -> None:
    found = follower.follow("SELECT app.unknown(), app.dynamic('x'), app.last(1)")
    assert found.unread == [
        "app.unknown(): it is not in the catalogue",
        "app.dynamic(): it runs SQL that is only known at run time",
        "app.last(): it is an aggregate or window function",
    ]
