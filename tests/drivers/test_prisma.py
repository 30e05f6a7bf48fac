"""examples/prisma: it pins by its lock of the session, and by nothing else."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
import pytest

from pinwatch import events
from tests.drivers import node
from tests.harness import Proxies, RunningProxy

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "prisma"
MIGRATION: Final = EXAMPLE / "prisma/migrations/20260101000000_orders/migration.sql"
NODE: Final = (20, 19)
PATIENCE: Final = 60  # seconds
GENERATE: Final = {
    "CHECKPOINT_DISABLE": "1",
    "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true",
}
"""No look for a new version, no download of the engine that migrate alone runs."""


@pytest.fixture(scope="module")
def shop() -> Iterator[Path]:
    """A copy of the example with its packages, about 320 MB, and its client."""
    if node.npm() is None or node.version() < NODE:
        pytest.skip("Prisma 7 needs npm, and Node 20.19 or later")
    with TemporaryDirectory(prefix="pinwatch-prisma-") as name:
        untracked = shutil.ignore_patterns("node_modules", "generated")
        folder = shutil.copytree(EXAMPLE, Path(name) / "shop", ignore=untracked)
        node.install_packages(folder)
        run(folder, "prisma", "generate", **GENERATE)
        yield folder


@pytest.fixture(autouse=True)
def tables(direct: psycopg.Connection[Any]) -> None:
    """Tables of the schema public, and those of a tenant."""
    direct.execute(MIGRATION.read_bytes())
    direct.execute("CREATE SCHEMA tenant_42")
    direct.execute("CREATE TABLE tenant_42.orders (LIKE orders INCLUDING ALL)")


def run(folder: Path, program: str, *arguments: str, **variables: str) -> str:
    """Run a program of a package; return what it prints."""
    return subprocess.run(
        [folder / "node_modules" / ".bin" / program, *arguments],
        cwd=folder,
        env=os.environ | variables,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    ).stdout


def place(
    shop: Path, proxy: RunningProxy, *arguments: str, parameters: str = ""
) -> str:
    """Run the shop; return the revenue that it prints."""
    at = proxy.endpoint()
    url = f"postgresql://{at.user}@{at.host}:{at.port}/{at.database}{parameters}"
    return run(shop, "tsx", "shop/main.ts", *arguments, DATABASE_URL=url)


def pins(proxy: RunningProxy) -> set[str]:
    return {pin.statement for pin in proxy.happened(events.SessionPinned)}


def orders(direct: psycopg.Connection[Any], schema: str) -> list[Any]:
    return direct.execute(f"SELECT total FROM {schema}.orders").fetchall()


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("placeOneByOne", set()),
        (
            "placeInTurn",
            {"SELECT pg_advisory_lock(42)", "SELECT pg_advisory_unlock(42)"},
        ),
    ],
)
def test_each_way(shop: Path, proxy: Proxies, way: str, expected: set[str]) -> None:
    running = proxy(2)
    assert place(shop, running, way) == "3\n"
    assert pins(running) == expected


def test_the_schema_of_a_tenant_pins_nothing(
    shop: Path, proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    running = proxy(2)
    assert place(shop, running, "placeOneByOne", "tenant_42") == "3\n"
    assert pins(running) == set()
    assert orders(direct, "tenant_42") == [(3,)]
    assert orders(direct, "public") == []


def test_parameters_of_the_old_engine_have_no_effect(
    shop: Path, proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    running = proxy(2)
    parameters = "?connection_limit=1&pgbouncer=true&schema=tenant_42"
    assert place(shop, running, parameters=parameters) == "3\n"
    assert pins(running) == set()
    assert orders(direct, "public") == [(3,)]
