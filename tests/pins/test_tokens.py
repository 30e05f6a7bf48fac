"""Tokens: where PostgreSQL's own scanner finds them, in time that grows with length."""

import gc
from time import thread_time
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.parser import ParseError, scan

from pinwatch.pins.advice import bare
from pinwatch.pins.tokens import COMMENT, OPERATOR, split, tokens
from pinwatch.pins.tree import MAX_REREADS
from pinwatch.pins.verdict import verdict_of_tokens
from tests.pins.cases import DIGESTS, PINS

PIECES: Final = (
    *("'", '"', "$$", "$a$", "$é$", "/*", "*/", "--", "\n", " ", "\\", ";", "(", ")"),
    *("a", "E", "U&", "x", "é", "1", "1.5e3", ".", "$1", "+", "-", "<", "*", "/", "::"),
    *("SELECT", "set_config", "'it''s'", "E'\\''", '"q"', "begin atomic", "end"),
)
ROUNDS: Final = 40
SIZES: Final = (8_000, 32_000)


def ours(text: str) -> list[tuple[int, int]]:
    """Return the tokens, without operators: PostgreSQL's scanner may split them."""
    return [(t.start, t.end) for t in tokens(text).all if t.kind != OPERATOR]


def theirs(text: str) -> list[tuple[int, int]]:
    """Return the tokens of PostgreSQL's scanner, without operators."""
    signs = [(t.start, t.end) for t in tokens(text).all if t.kind == OPERATOR]
    return [
        (t.start, t.end + 1)
        for t in scan(text)
        if not any(start <= t.start < end for start, end in signs)
    ]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_words_and_constants_are_those_of_postgresql(text: str) -> None:
    try:
        expected = theirs(text)
    except ParseError:
        return
    assert ours(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x'it''s'",
        "B'0''1'",
        "SELECT x'a'\n'b''c'",
        "SELECT E'a'\n'b\\'c'",
        "SELECT 'a'\n'b''c'",
        "SELECT 'a' -- note\n'b\\'",
    ],
)
def test_a_constant_ends_where_its_kind_ends(text: str) -> None:
    assert ours(text) == theirs(text)


@pytest.mark.parametrize("case", [*PINS, *DIGESTS], ids=lambda case: case["id"])
def test_a_case_has_the_tokens_of_postgresql(case: dict[str, Any]) -> None:
    assert ours(case["sql"]) == theirs(case["sql"])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_tokens(text: str) -> None:
    at = 0
    for token in tokens(text).all:
        assert not text[at : token.start].strip()
        assert at <= token.start < token.end
        at = token.end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT 1; SELECT 2;", 2),
        (";;", 0),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", 2),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; END; X", 2),
        ("SELECT ';', $$;$$, \";\" /* ; */ -- ;", 1),
    ],
)
def test_statements_end_where_psql_ends_them(text: str, count: int) -> None:
    assert len(list(split(tokens(text).code))) == count


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "+" * 1_000 + "1",
        "SELECT 1 " + "/**/" * 1_000,
        "/*" * 500 + "*/" * 500,
        "SELECT 1 " + "@-+-+" * 400,
    ],
)
def test_rereading_is_counted(text: str) -> None:
    assert tokens(text).rereads > MAX_REREADS


@pytest.mark.parametrize(
    "text",
    [
        "/*" + "=" * 5_000 + "*/ SELECT 1",
        "-" * 5_000 + "\nSELECT 1",
        "SELECT " + "1 + " * 3_000 + "1",
        "SELECT '" + "+" * 5_000 + "'",
        "SELECT a -> 'b' ->> 'c' || d::text, " * 100 + "1 /* a */ -- b",
    ],
)
def test_usual_sql_is_not_reread(text: str) -> None:
    assert tokens(text).rereads <= MAX_REREADS // 8


GROWING: Final = {
    "operators": "+1",
    "plus signs": "+",
    "mixed operators": " @-+-+ 1",
    "brackets": "(",
    "commas": ",1",
    "statements": ";SET a=1",
    "statements in other letters": ";SET é=1",
    "calls": ",nextval('s')",
    "comments": "/**/",
    "comment openers": "/*",
    "odd comments": "/*/",
    "line comments": "--\n",
    "quotes": "'",
    "strings": ",'é'",
    "escapes": ",U&'\\0061'",
    "backslashes": "E'\\",
    "broken strings": "'a'--\n",
    "dollar quotes": " $a$",
    "dollars": "$",
    "letters": "a",
    "other letters": "é",
    "digits": "1",
    "names": " a",
    "cursors": ";DECLARE c1 CURSOR FOR SELECT 1",
    "temporary tables": " INTO TEMP t",
    "tags": "/*a='b',c='d'*/",
    "white space": "\n",
}


def seconds(text: str) -> float:
    """Return the seconds of CPU for all that is made of the tokens of a text."""
    tokens.cache_clear()
    bare.cache_clear()
    gc.disable()  # its cost grows with all that this process holds
    try:
        began = thread_time()
        found = verdict_of_tokens(text)
        found.outline, found.digest, found.tags, bare(text)
        return thread_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("name", GROWING)
def test_the_work_grows_with_the_length(name: str) -> None:
    """Four times the text takes at most five times as long: the best of some rounds."""
    part = GROWING[name]
    short, long = (f"SET a = 1{part * (size // len(part))}" for size in SIZES)
    least, most = 1e3, 1e3
    for _ in range(ROUNDS):
        least, most = min(least, seconds(short)), min(most, seconds(long))
        if most <= 5 * least:
            break
    assert most <= 5 * least


def test_comments_are_no_code() -> None:
    found = tokens("SELECT /* a */ 1 -- b")
    assert [token.kind == COMMENT for token in found.all] == [False, True, False, True]
    assert len(found.code) == 2
