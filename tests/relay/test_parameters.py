"""Accepted startup parameters, and the SQL that sets them."""

import gc
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast import ast, parse_sql

from pinwatch.errors import ClientError
from pinwatch.relay.parameters import (
    ACCEPTED,
    NO_PARAMETERS,
    Values,
    literal,
    read_startup,
    switch,
)

ADA = {b"user": b"ada"}
NAMES = sorted(ACCEPTED.values())
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
profiles = st.dictionaries(st.sampled_from(NAMES), values.map(str.encode)).map(
    Values.of
)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (ADA, (b"ada", b"ada", NO_PARAMETERS)),
        (ADA | {b"database": b"shop"}, (b"ada", b"shop", NO_PARAMETERS)),
        (ADA | {b"database": b""}, (b"ada", b"ada", NO_PARAMETERS)),
        (
            ADA | {b"TIMEZONE": b"UTC", b"datestyle": b"ISO"},
            (b"ada", b"ada", Values.of({b"TimeZone": b"UTC", b"DateStyle": b"ISO"})),
        ),
        (
            ADA | {b"search_path": b""},
            (b"ada", b"ada", Values.of({b"search_path": b""})),
        ),
    ],
)
def test_startup(
    parameters: dict[bytes, bytes], expected: tuple[bytes, bytes, Values]
) -> None:
    assert read_startup(parameters) == expected


@pytest.mark.parametrize(
    ("parameters", "text", "sqlstate"),
    [
        ({}, "A user name is missing", "28000"),
        ({b"user": b"", b"database": b"shop"}, "A user name is missing", "28000"),
        (ADA | {b"options": b"-c x=1"}, "doesn't support command-line", "0A000"),
        (ADA | {b"replication": b"true"}, "streaming replication", "0A000"),
        (ADA | {b"work_mem": b"1MB"}, "the option work_mem.", "0A000"),
        (ADA | {b"\xff": b""}, "the option \N{REPLACEMENT CHARACTER}.", "0A000"),
    ],
)
def test_refused_startup(
    parameters: dict[bytes, bytes], text: str, sqlstate: str
) -> None:
    with pytest.raises(ClientError) as raised:
        read_startup(parameters)
    assert text in raised.value.text
    assert raised.value.sqlstate == sqlstate


def test_equal_values_are_one_object() -> None:
    one = Values.of({b"a": b"1", b"b": b"2"})
    assert Values.of({b"b": b"2", b"a": b"1"}) is one
    assert Values.of({b"a": b"1"}).changed(b"b", b"2") is one
    assert one.changed(b"a", b"1") is one
    assert one.changed(b"a", b"2") is not one


def test_values_do_not_change_with_their_source() -> None:
    source = {b"a": b"1"}
    made = Values.of(source)
    source[b"a"] = b"2"
    assert made.values == {b"a": b"1"}
    assert Values.of({b"a": b"1"}) is made


def test_unreferenced_values_are_freed() -> None:
    gc.collect()
    before = len(Values._interned)
    made = Values.of({b"nobody": b"else"})
    assert len(Values._interned) == before + 1
    del made
    gc.collect()
    assert len(Values._interned) == before


def test_differing() -> None:
    one = Values.of({b"a": b"1", b"b": b"2", b"c": b"3"})
    other = Values.of({b"a": b"1", b"b": b"9", b"d": b"4"})
    assert one.differing(other) == {b"b": b"2", b"c": b"3"}
    assert one.differing(one) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b"''"),
        (b"UTC", b"'UTC'"),
        (b"it's", b"'it''s'"),
        (rb"a\b", rb"E'a\\b'"),
        (rb"\'", rb"E'\\'''"),
    ],
)
def test_literals(value: bytes, expected: bytes) -> None:
    assert literal(value) == expected


def test_nothing_to_change_is_an_empty_query() -> None:
    assert switch(NO_PARAMETERS, NO_PARAMETERS) == b""


def test_unknown_settings_are_all_reset() -> None:
    sql = switch(None, Values.of({b"TimeZone": b"UTC"}))
    assert sql.count(b"RESET ") == len(ACCEPTED) - 1
    assert b"RESET TimeZone" not in sql
    assert sql.endswith(b";SELECT pg_catalog.set_config('TimeZone','UTC',false)")


class Database:
    """Applies the settings that PostgreSQL's own parser finds in a text."""

    def __init__(self, values: Values) -> None:
        self.settings = dict(values.values)

    def run(self, sql: bytes) -> None:
        names = {name.decode().lower(): name for name in NAMES}
        for statement in parse_sql(sql.decode()):
            match statement.stmt:
                case ast.VariableSetStmt(name=name):
                    self.settings.pop(names[str(name).lower()], None)
                case ast.SelectStmt(targetList=targets):
                    for target in targets or ():
                        name, value, local = target.val.args
                        assert local.val.boolval is False
                        self.settings[name.val.sval.encode()] = value.val.sval.encode()


@settings(deadline=None)
@given(profiles, profiles)
def test_switch_puts_the_new_values_in_force(before: Values, after: Values) -> None:
    database = Database(before)
    database.run(switch(before, after))
    assert database.settings == after.values


@settings(deadline=None)
@given(profiles, profiles)
def test_switch_from_unknown_settings(before: Values, after: Values) -> None:
    database = Database(before)
    database.run(switch(None, after))
    assert database.settings == after.values


def test_switch_sets_only_values_that_differ() -> None:
    options = [{}, {b"TimeZone": b"UTC"}, {b"TimeZone": b"CET"}]
    for before, after in product(options, repeat=2):
        both = {b"DateStyle": b"ISO"}
        sql = switch(Values.of(before | both), Values.of(after | both))
        assert b"DateStyle" not in sql
        assert (sql == b"") is (before == after)
