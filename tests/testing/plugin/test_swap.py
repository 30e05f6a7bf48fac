"""Code that leans on a session's state without a pin fails in the test."""

from contextlib import closing
from itertools import pairwise

import psycopg

from pinwatch import Proxy
from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

LEANING = """
def test_one(connection):
    with connection.transaction():
        connection.execute("CREATE TABLE pg_temp.basket (id int)")
    with connection.transaction():
        connection.execute("INSERT INTO pg_temp.basket VALUES (1)")
"""


def test_each_transaction_has_another_connection(target: str) -> None:
    with (
        Proxy(target, swap=True) as proxy,
        closing(psycopg.connect(proxy.dsn, autocommit=True)) as connection,
    ):
        connection.prepare_threshold = None  # to prepare takes a transaction too
        pids = [
            connection.execute("SELECT pg_backend_pid()").fetchone() for _ in range(6)
        ]
        assert all(one != other for one, other in pairwise(pids))
        connection.execute("LISTEN jobs")
        assert proxy.sessions()[0]["pinned"]


def test_a_suite_that_leans_on_what_is_not_seen(run: Run) -> None:
    """A relation in pg_temp does not pin, as the service does not see it."""
    run("--pinwatch", conftest=CONFTEST, test_it=LEANING).assert_outcomes(passed=1)
    result = run("--pinwatch", "--pinwatch-swap")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UndefinedTable: *"])
