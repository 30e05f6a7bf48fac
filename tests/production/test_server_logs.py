"""The logs that PostgreSQL itself writes in its three formats, with RDS's prefix."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest

from pinwatch.production.formats import read_file
from pinwatch.production.init_query import DIFFERS
from pinwatch.production.ranking import Ranking
from tests.auth.servers import embedded, postgresql
from tests.harness import eventually

SETTINGS: Final = (
    "listen_addresses = ''",
    "logging_collector = on",
    "log_filename = 'postgresql.log'",
    "log_destination = 'stderr, csvlog, jsonlog'",
    "log_line_prefix = '%t:%r:%u@%d:[%p]:'",
    "log_statement = all",
)
SUFFIXES: Final = ("log", "csv", "json")
ROLES: Final = ("ann", "bob")
LAST: Final = "SELECT 'the last one'"


@pytest.fixture(scope="module")
def logs() -> Iterator[Path]:
    """The folder of a server's logs, with a session of each role, at the same time."""
    with postgresql(embedded(18), "local all all trust", *SETTINGS) as folder:

        def connected(role: str) -> psycopg.Connection[tuple[object, ...]]:
            return psycopg.connect(
                host=str(folder), user=role, dbname="postgres", autocommit=True
            )

        with closing(connected("postgres")) as admin:
            for role in ROLES:
                admin.execute(f"CREATE ROLE {role} LOGIN".encode())
            sessions = [connected(role) for role in ROLES]
            for number, session in enumerate(sessions):
                session.execute(b"SHOW server_version")
                session.execute(b"SET TIME ZONE\n\t'UTC'")
                value = f"it's {number} $1"
                session.execute("SELECT set_config('a.b', %s, false)", [value])
            for session in sessions:
                session.execute(b"BEGIN; SET search_path TO public; COMMIT")
                session.execute(b"SELECT 1")
                session.close()
            admin.execute(LAST.encode())
        logs = [folder / "data" / "log" / f"postgresql.{one}" for one in SUFFIXES]
        eventually(lambda: all(LAST in log.read_text() for log in logs))
        yield logs[0].parent


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_sessions_of_a_server_begin_with(suffix: str, logs: Path) -> None:
    ranking = Ranking()
    ranking.add_all(read_file(str(logs / f"postgresql.{suffix}")))
    found = ranking.settings.init_query()
    assert found.sql == "SET timezone TO 'UTC'; SET search_path TO 'public'"
    assert found.left_out() == {"a.b": DIFFERS}
    assert found.settings["a.b"].seen() == ["'it''s 0 $1'", "'it''s 1 $1'"]
    assert found.roles() == [*ROLES]
    assert found.sessions == 3  # the superuser's sets nothing
