"""The metrics of a pinwatch that a person started."""

from contextlib import closing
from pathlib import Path

import psycopg

from tests.cli.command import pinwatch_up
from tests.metrics.scrape import OPENMETRICS, Scrape, fetch


def test_pinwatch_up(target: str, database: str, tmp_path: Path) -> None:
    with pinwatch_up(tmp_path / "log", "--target", target) as up:
        url = f"{up.greeting['HTTP']}/metrics"
        with closing(psycopg.connect(up.url, autocommit=True)) as client:
            client.execute("SET search_path TO app")
            now = Scrape(fetch(url, OPENMETRICS)[1])
        assert up.stop() == 0
    assert now("client_connections") == 1
    assert now("client_connections_received_total") == 1
    assert now("client_connections_setup_succeeded_total") == 1
    assert now("database_connections_currently_session_pinned") == 1
    assert now("pins_total", rule="set", database=database, user="postgres") == 1
    assert now("max_database_connections_allowed") == 120 - 3
