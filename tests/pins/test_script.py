"""Statements of psql scripts, and texts with placeholders."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinwatch.pins.script import filled, pieces
from pinwatch.pins.verdict import verdict


def texts(script: str) -> list[str]:
    return [piece.text for piece in pieces(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SELECT 1;\nSELECT 2", ["SELECT 1", "SELECT 2"]),
        ("\\set a 1\nSELECT 1;", ["SELECT 1"]),
        ("SELECT 1 \\gset a_\nSELECT 2 \\g | cat", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 \\gset \\echo a\nSELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT $1 \\bind 5 \\g\nSELECT 2;", ["SELECT $1        ", "SELECT 2"]),
        ("SELECT 1 \\; SELECT 2;", ["SELECT 1  ; SELECT 2"]),
        ("SELECT 1\n\\echo SET a=1\n+ 2;", ["SELECT 1\n             \n+ 2"]),
        ("SELECT 1 \\r\nSELECT 2;", ["SELECT 2"]),
        ("\\! echo \\ SET a=1\nSELECT 1;", ["SELECT 1"]),
        ("SELECT '\\set', $$;\\g$$, \"\\x\";", ["SELECT '\\set', $$;\\g$$, \"\\x\""]),
        (
            "COPY t FROM STDIN;\nSET a;\nit's\n\\.\nSELECT 1;",
            ["COPY t FROM STDIN", "SELECT 1"],
        ),
        ("COPY t FROM STDIN;\nno end", ["COPY t FROM STDIN"]),
        (
            "copy t (a) from stdin with csv; \n\\.\nSELECT 1",
            ["copy t (a) from stdin with csv", "SELECT 1"],
        ),
        ("\\copy t from stdin\nSET a=1;\n\\.\nSELECT 1;", ["SELECT 1"]),
        ("\\copy t from 'a.csv'\nSELECT 1;", ["SELECT 1"]),
        ("COPY t TO STDOUT;\nSELECT 1;", ["COPY t TO STDOUT", "SELECT 1"]),
        ("\\.\n;;\n-- a\n/* b */", []),
        ("SELECT 'cut; SELECT 1;", ["SELECT 'cut; SELECT 1;"]),
    ],
)
def test_statements_of_a_script(script: str, expected: list[str]) -> None:
    assert [text.rstrip() for text in texts(script)] == [e.rstrip() for e in expected]


SCRIPT: Final = (
    *("SELECT 1", ";", "\\g", "\\;", "\\x a", "\n", "'", "$$", "(", ")", "COPY t "),
    *("FROM STDIN", "\\.", "é", ":a", "%s", "\\copy a from stdin", "\\", "/*"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SCRIPT), max_size=12).map(" ".join))
def test_any_script_has_statements_where_they_stand(script: str) -> None:
    for piece in pieces(script):
        there = script[piece.position : piece.position + len(piece.text)]
        assert len(there) == len(piece.text)
        same = zip(piece.text, there, strict=True)
        assert all(own in (other, " ") for own, other in same)
        assert all(len(text) == len(piece.text) for text in filled(piece.text))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT :a, :'a', :\"a\" FROM :t.x WHERE b = :b::int",
        "SELECT * FROM t WHERE a = %s AND b = %(name)s",
        "SELECT * FROM t WHERE a = ? LIMIT ?",
        "COMMENT ON LARGE OBJECT :oid IS 'a'",
        "SELECT interval :a",
    ],
)
def test_placeholders_have_values(sql: str) -> None:
    assert verdict(sql.encode()).error
    assert not all(verdict(reading.encode()).error for reading in filled(sql))


@pytest.mark.parametrize("sql", ["SELECT a::int, b[1:2]", "SELECT '%s :a ?'", ""])
def test_a_text_without_placeholders_has_no_readings(sql: str) -> None:
    assert all(verdict(reading.encode()).error for reading in filled(sql))
