"""examples/rails: what pins is what its page names."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from pinwatch import events
from tests.harness import Endpoint, Postgres, Proxies, RunningProxy

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "rails"
RUBY: Final = shutil.which("ruby")
PATIENCE: Final = 60  # seconds
AT_CONNECT: Final = {
    "SET client_min_messages TO 'warning'",
    "SET standard_conforming_strings = on",
    "SET intervalstyle = iso_8601",
    "SET SESSION timezone TO 'UTC'",
}
Shop = Callable[..., None]

pytestmark = pytest.mark.skipif(RUBY is None, reason="Ruby is not installed")


@pytest.fixture(scope="module")
def pg_version() -> tuple[int, ...]:
    """The version of ruby-pg."""
    program = 'require "active_record"; require "pg"; print PG::VERSION'
    ruby = [RUBY or "ruby", "-e", program]
    done = subprocess.run(ruby, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        pytest.skip("ActiveRecord or ruby-pg is not installed")
    return tuple(map(int, done.stdout.split(".")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example."""
    return shutil.copytree(EXAMPLE, tmp_path / "shop")


@pytest.fixture
def shop(
    pg_version: tuple[int, ...], folder: Path, postgres: Postgres, database: str
) -> Shop:
    """Runs commands of the example, after its migrations."""

    def run(endpoint: Endpoint, *commands: str) -> None:
        url = {"DATABASE_URL": f"postgresql:///{endpoint.database}"}
        subprocess.run(
            [RUBY or "ruby", "shop.rb", *commands],
            cwd=folder,
            env=os.environ | endpoint.environment() | url,
            check=True,
            timeout=PATIENCE,
        )

    run(postgres.endpoint(database), "migrate")
    return run


def pins(proxy: RunningProxy) -> set[str]:
    return {pin.statement for pin in proxy.happened(events.SessionPinned)}


def configure(folder: Path, *lines: str) -> None:
    """Add lines to the settings of the database."""
    with (folder / "config" / "database.yml").open("a") as settings:
        settings.writelines(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("invoice", set()),
        (
            "invoice_in_turn",
            {"SELECT pg_advisory_lock(42)", "SELECT pg_advisory_unlock(42)"},
        ),
    ],
)
def test_the_job(
    shop: Shop,
    proxy: Proxies,
    direct: psycopg.Connection[Any],
    job: str,
    expected: set[str],
) -> None:
    running = proxy(2)
    shop(running.endpoint(), "place", job)
    assert pins(running) == expected
    orders = direct.execute("SELECT total, invoiced FROM orders").fetchall()
    assert orders == [(3, True)]


@pytest.mark.usefixtures("shop")
def test_the_database_sets_what_the_initializer_drops(proxy: Proxies) -> None:
    with closing(psycopg.connect(proxy(2).endpoint().dsn)) as connection:
        for name, value in [
            ("client_min_messages", "warning"),
            ("standard_conforming_strings", "on"),
            ("intervalstyle", "iso_8601"),
            ("timezone", "UTC"),
        ]:
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)


def test_without_the_initializer_each_connect_pins(
    shop: Shop, folder: Path, proxy: Proxies
) -> None:
    (folder / "config" / "initializers" / "rds_proxy.rb").unlink()
    running = proxy(2)
    shop(running.endpoint(), "place")
    assert pins(running) == AT_CONNECT


def test_settings_that_pin(shop: Shop, folder: Path, proxy: Proxies) -> None:
    configure(
        folder,
        "encoding: unicode",
        "schema_search_path: public",
        'variables: {statement_timeout: 5000, intervalstyle: ":default"}',
    )
    running = proxy(2)
    shop(running.endpoint(), "place")
    assert pins(running) == {
        "set client_encoding to 'unicode'",
        "SET search_path TO public",
        "SET SESSION statement_timeout TO 5000",
        "SET SESSION intervalstyle TO DEFAULT",
    }


def test_the_encoding_of_rails_pins_before_ruby_pg_1_5_4(
    shop: Shop,
    pg_version: tuple[int, ...],
    proxy: Proxies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUBYOPT", "-EUTF-8:UTF-8")  # as Rails sets it
    running = proxy(2)
    shop(running.endpoint(), "place")
    sent = {"set client_encoding to 'UTF8'"} if pg_version < (1, 5, 4) else set()
    assert pins(running) == sent


@pytest.mark.parametrize(
    ("locks", "rules"), [("true", {"advisory_lock"}), ("false", set())]
)
def test_migrations_through_the_proxy_pin_by_their_lock(
    shop: Shop, folder: Path, proxy: Proxies, locks: str, rules: set[str]
) -> None:
    configure(folder, f"advisory_locks: {locks}")
    running = proxy(2)
    shop(running.endpoint(), "migrate")
    assert {pin.rule for pin in running.happened(events.SessionPinned)} == rules
