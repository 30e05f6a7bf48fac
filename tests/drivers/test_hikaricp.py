"""examples/hikaricp: its pool pins nothing, unless it has an isolation level."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from pinwatch import events
from tests.harness import Proxies, RunningProxy

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "hikaricp"
MAVEN: Final = shutil.which("mvn")
PATIENCE: Final = 300  # seconds; the first run downloads the plugins of Maven
SHORT_LIVED: Final = {"MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Options of a JVM that ends before optimized code pays off. The shop runs in it."""

pytestmark = pytest.mark.skipif(MAVEN is None, reason="Maven is not installed")


def run(proxy: RunningProxy, folder: Path, *isolation: str) -> str:
    """Run the shop; return what it prints."""
    endpoint = proxy.endpoint()
    url = f"jdbc:postgresql://{endpoint.host}:{endpoint.port}/{endpoint.database}"
    words = " ".join([f"{url}?user={endpoint.user}", *isolation])
    command = [
        MAVEN or "mvn",
        "-q",
        "-B",
        "-ntp",
        "compile",
        "exec:java",
    ]
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("target"))
    return subprocess.run(
        [*command, f"-Dexec.args={words}"],
        cwd=folder,
        env=os.environ | SHORT_LIVED,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    ).stdout


@pytest.mark.parametrize(
    ("isolation", "pins"),
    [
        ((), []),
        (
            ("TRANSACTION_REPEATABLE_READ",),
            [
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "
                "REPEATABLE READ"
            ],
        ),
    ],
    ids=["clean", "pins"],
)
def test_the_example(
    proxy: Proxies,
    direct: psycopg.Connection[Any],
    tmp_path: Path,
    isolation: tuple[str, ...],
    pins: list[str],
) -> None:
    direct.execute("CREATE TABLE orders (total int)")
    running = proxy(2)
    assert "3\n" in run(running, tmp_path / "shop", *isolation)
    pinned = running.happened(events.SessionPinned)
    assert {pin.statement for pin in pinned} == set(pins)
