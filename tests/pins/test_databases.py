"""The databases that a statement needs free of other connections."""

import pytest

from pinwatch.pins.databases import MAX_TEXT, DatabaseStatements, databases


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("DROP DATABASE a", ["a"]),
        ("drop database if exists A with (force)", ["a"]),
        ('DROP DATABASE "A b"', ["A b"]),
        ('DROP DATABASE "a""b"', ['a"b']),
        (r'DROP DATABASE U&"gr\00F6\00DFe"', ["größe"]),
        ("DROP/**/DATABASE--\na", ["a"]),
        ("ALTER DATABASE a RENAME TO b", ["a"]),
        ("ALTER DATABASE a SET TABLESPACE b", ["a"]),
        ("ALTER DATABASE a TABLESPACE b", ["a"]),
        ("CREATE DATABASE a TEMPLATE b", ["b"]),
        ("CREATE DATABASE a WITH OWNER c TEMPLATE = 'B' ENCODING 'UTF8'", ["B"]),
        ("CREATE DATABASE a TEMPLATE 5", ["5"]),
        ("CREATE DATABASE a", ["template1"]),
        ("CREATE DATABASE a TEMPLATE DEFAULT", ["template1"]),
        ("SELECT 1; DROP DATABASE a; ALTER DATABASE b RENAME TO c", ["a", "b"]),
        ("ALTER DATABASE a SET work_mem TO 1", []),
        ("ALTER DATABASE a RESET ALL", []),
        ("ALTER DATABASE a OWNER TO b", []),
        ("ALTER DATABASE a WITH ALLOW_CONNECTIONS false", []),
        ("ALTER DATABASE a REFRESH COLLATION VERSION", []),
        ("ALTER TABLE database RENAME TO a", []),
        ("DROP TABLE database", []),
        ("SELECT 'DROP DATABASE a'", []),
        ("-- DROP DATABASE a", []),
        ("DROP DATABASE", []),
        ("DROP DATABASE a, b", []),
        ("(" * 5_000 + "DROP DATABASE a", []),
        ("", []),
    ],
)
def test_databases(sql: str, names: list[str]) -> None:
    assert databases(sql.encode()) == {name.encode() for name in names}


def test_bytes_that_are_not_utf_8() -> None:
    assert databases(b'DROP DATABASE "caf\xe9"') == {"caf\ufffd".encode()}


def test_only_while_enabled() -> None:
    found = DatabaseStatements()
    assert not found.databases(b"DROP DATABASE a")
    found.enabled = True
    assert found.databases(b"DROP DATABASE a") == {b"a"}
    assert not found.databases(b"DROP TABLE a")


def test_long_texts_are_not_looked_at() -> None:
    found = DatabaseStatements(enabled=True)
    sql = b"DROP DATABASE a".ljust(MAX_TEXT)
    assert found.databases(sql) == {b"a"}
    assert not found.databases(sql + b" ")
