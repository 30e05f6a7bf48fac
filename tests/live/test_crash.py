"""A request that PostgreSQL dies of (docs/upstream.md) does not end pinwatch."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.auth.servers import embedded, postgresql
from tests.harness import (
    PATIENCE,
    SETTINGS,
    Endpoint,
    Postgres,
    RunningProxy,
    eventually,
    proxy_settings,
)
from tests.wireclient import SYNC, WireClient, execute, query

PAGE: Final = Path(__file__).parents[2] / "docs" / "upstream.md"
LOST: Final = ("57P02", "57P03", "08006", "08001")
"""Of a crash of another server process, of a recovery, and of pinwatch."""

CRASH: Final = (
    query("BEGIN; ROLLBACK TO a"),
    query(f"SELECT '{'x' * 1000}'"),
    execute() + SYNC,
)


@pytest.fixture
def fragile() -> Iterator[Postgres]:
    """A server of its own, because it crashes."""
    with ExitStack() as stack:
        folder = stack.enter_context(
            postgresql(embedded(18), "local all all trust", *SETTINGS)
        )
        yield Postgres(Endpoint(str(folder), 5432, "postgres", "postgres"), True)


def crash(client: WireClient) -> None:
    """Send the messages; the last one gets no answer from the server."""
    for sent in CRASH[:-1]:
        assert client.ask(sent).errors
    client.send(CRASH[-1])


def serves(client: WireClient) -> bool:
    """Return whether a statement succeeds; its connection must stay open."""
    return not client.query("SELECT 1").errors


def test_the_server_dies_of_it_directly(fragile: Postgres) -> None:
    """If this fails, a newer PostgreSQL has repaired it: see the page."""
    with WireClient.login(fragile.server) as client:
        crash(client)
        assert client.rest().kinds in ("", "E")


def test_pinwatch_survives_it(fragile: Postgres) -> None:
    with (
        RunningProxy(proxy_settings(max_connections=3), fragile, "postgres") as proxy,
        WireClient.login(proxy.endpoint()) as idle,
        WireClient.login(proxy.endpoint()) as busy,
        WireClient.login(proxy.endpoint()) as culprit,
    ):
        assert busy.query("BEGIN").status == "T"
        crash(culprit)
        for client in (culprit, busy):
            ((severity, sqlstate, _),) = client.rest().errors
            assert severity == "FATAL"
            assert sqlstate in LOST
        eventually(lambda: serves(idle))
        with WireClient.login(proxy.endpoint()) as later:
            assert later.query("SELECT 1").value == "1"


def test_the_script_of_the_page(fragile: Postgres) -> None:
    """It runs as printed, and gets no answer to its last message."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    with RunningProxy(proxy_settings(), fragile, "postgres") as proxy:
        host, port = proxy.proxy.address
        done = subprocess.run(
            [sys.executable, "-c", found[1], host, str(port)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        assert "25P02" in done.stdout
        assert "FATAL" in done.stdout
        with socket.create_connection((host, port), PATIENCE):
            pass
