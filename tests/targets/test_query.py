"""One query over a connection of its own, to a real server."""

import pytest

from pinwatch.errors import ClientError
from pinwatch.targets.query import CHUNK, rows
from tests.harness import Postgres

SQL = f"SELECT n, repeat('ä', {CHUNK}), NULL FROM generate_series(1, 3) AS n"


def test_rows_that_are_longer_than_a_chunk(postgres: Postgres) -> None:
    found = list(rows(postgres.target(), SQL))
    text = "ä".encode() * CHUNK
    assert found == [[str(n).encode(), text, None] for n in (1, 2, 3)]


def test_an_error_after_some_rows(postgres: Postgres) -> None:
    found = rows(
        postgres.target(), "SELECT 1 / (2 - n) FROM generate_series(1, 3) AS n"
    )
    assert next(found) == [b"1"]
    with pytest.raises(ClientError, match="division by zero") as refused:
        next(found)
    assert refused.value.sqlstate == "22012"
