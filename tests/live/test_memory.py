"""Traffic does not increase the memory of a pinwatch process."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
import pytest

from tests.cli.command import Up, pinwatch_up
from tests.harness import Postgres
from tests.wireclient import WireClient

CHUNK: Final = b"".join(
    b"%d\tsome row of a copy, as long as rows are\n" % n
    for n in range(1_000_000, 1_020_000)
)
CHUNKS: Final = 200  # chunks of a megabyte
FEW: Final = 6_000_000  # bytes of memory growth
VALUE: Final = 50_000_000
IDLE: Final = 500
EACH: Final = 12 * 1024


@pytest.fixture
def up(target: str, tmp_path: Path) -> Iterator[Up]:
    options = ("--target", target, "--http", "off", "--max-connections", "4")
    with pinwatch_up(tmp_path / "log", *options, PINWATCH_LOG_LEVEL="error") as started:
        yield started
        assert started.stop() == 0


def resident(up: Up) -> int:
    return int(psutil.Process(up.process.pid).memory_info().rss)


def copy_in(client: psycopg.Connection[Any], chunks: int) -> None:
    with client.cursor().copy("COPY big FROM STDIN") as copy:
        for _ in range(chunks):
            copy.write(CHUNK)


def copy_out(client: psycopg.Connection[Any]) -> int:
    with client.cursor().copy("COPY big TO STDOUT") as copy:
        return sum(len(data) for data in copy)


def test_a_long_copy(up: Up) -> None:
    with closing(psycopg.connect(up.url)) as client:
        client.execute("CREATE UNLOGGED TABLE big (n int, text text)")
        copy_in(client, 1)
        copy_out(client)
        before = resident(up)
        copy_in(client, CHUNKS)
        assert resident(up) - before < FEW
        assert copy_out(client) == len(CHUNK) * (CHUNKS + 1)
        assert resident(up) - before < FEW


def test_a_large_value(up: Up) -> None:
    with closing(psycopg.connect(up.url)) as client:
        text = "SELECT %b::bytea"
        client.execute(text, (b"warm",))
        before = resident(up)
        value = bytes(VALUE)
        (row,) = client.execute(text, (value,), binary=True).fetchall()
        assert row == (value,)
        assert resident(up) - before < FEW


def test_idle_clients(up: Up, postgres: Postgres) -> None:
    host, _, port = up.url.rpartition("@")[2].partition("/")[0].rpartition(":")
    endpoint = postgres.endpoint(up.url.rpartition("/")[2])
    endpoint = type(endpoint)(host, int(port), endpoint.user, endpoint.database)
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(WireClient.login(endpoint))
        before = resident(up)
        for _ in range(IDLE):
            client = stack.enter_context(WireClient.login(endpoint))
            assert client.query("SELECT 1").value == "1"
        assert (resident(up) - before) / IDLE < EACH
