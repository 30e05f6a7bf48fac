"""The databases of the tests: a test gets none that another one has changed."""

import psycopg
import pytest

from tests.databases import Databases
from tests.harness import Postgres


@pytest.mark.parametrize(
    ("sql", "reused"),
    [
        ("SELECT 1", True),
        ("SET search_path = a", True),
        ("CREATE TEMP TABLE a (b int)", True),
        ("CREATE TABLE a (b int)", False),
        ("CREATE SCHEMA a", False),
        ("CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 1'", False),
        ("CREATE TYPE a AS ENUM ()", False),
        ("CREATE EXTENSION hstore", False),
        ("SELECT lo_create(0)", False),
        ("ALTER DATABASE {} SET search_path = a", False),
        ("ALTER DATABASE {} CONNECTION LIMIT 3", False),
        ("GRANT CONNECT ON DATABASE {} TO pg_monitor", False),
    ],
)
def test_a_database_without_changes_is_used_again(
    postgres: Postgres, sql: str, reused: bool
) -> None:
    databases = Databases(postgres)
    with databases.empty() as name, postgres.connect(name) as connection:
        try:
            connection.execute(sql.format(name))
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("This server does not come with the extension.")
    with databases.empty() as other:
        assert (other == name) is reused


def test_its_clients_are_disconnected(postgres: Postgres) -> None:
    databases = Databases(postgres)
    with databases.empty() as name:
        connection = postgres.connect(name)
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute("SELECT 1")
