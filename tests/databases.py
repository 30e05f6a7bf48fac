"""Empty databases for tests: one that a test leaves as it was serves the next test.

A new database costs more than most tests, with its files, and the caches that its first
connection builds.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import psycopg

from tests.harness import Postgres

DISCONNECT: Final = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FIRST_OID: Final = 16_384  # of the objects that are not PostgreSQL's own
CATALOGS: Final = (
    "pg_class",
    "pg_proc",
    "pg_type",
    "pg_extension",
    "pg_cast",
    "pg_operator",
    "pg_largeobject_metadata",
    "pg_publication",
    "pg_event_trigger",
    "pg_foreign_data_wrapper",
    "pg_default_acl",
)
IS_CHANGED: Final = " UNION ALL ".join(
    [
        *(f"SELECT 1 FROM {name} WHERE oid >= {FIRST_OID}" for name in CATALOGS),
        f"""SELECT 1 FROM pg_namespace WHERE oid >= {FIRST_OID}
            AND nspname NOT LIKE ALL (ARRAY['pg_temp%', 'pg_toast_temp%'])""",
        "SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()",
        """SELECT 1 FROM pg_database d WHERE datname = current_database() AND (
            EXISTS (SELECT 1 FROM pg_db_role_setting WHERE setdatabase = d.oid)
            OR datacl IS NOT NULL OR datconnlimit <> -1 OR datistemplate)""",
    ]
)


class Databases:
    """The databases of one server that are empty and unused."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._unused: list[str] = []

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the name of an empty database."""
        unused = self._unused
        name = unused.pop() if unused else self._postgres.create_database()
        try:
            yield name
        finally:
            if self._is_empty(name):
                unused.append(name)
            else:
                self._postgres.drop_database(name)

    def _is_empty(self, name: str) -> bool:
        """Disconnect all clients; return True if they have left nothing behind."""
        try:
            with closing(self._postgres.connect(name)) as connection:
                connection.execute(DISCONNECT)
                return connection.execute(IS_CHANGED).fetchone() is None
        except psycopg.Error:
            return False
