"""Crowds of clients that do not log in: other clients are not affected.

Each crowd runs against a pinwatch process while another client works. That client has
to be served meanwhile, and the memory of the process must not grow.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import psycopg
import pytest

from pinwatch.wire.messages import (
    HEADER,
    INT32,
    PASSWORD,
    SSL_REQUEST_CODE,
    message,
    sasl_initial_response,
    startup,
)
from tests.cli.command import Up, pinwatch_up
from tests.harness import PATIENCE, Postgres

CROWD: Final = 500
AT_A_TIME: Final = 50
MAX_GROWTH: Final = 2_000_000  # bytes; the first crowd only fills the caches
ROLE: Final = "postgres"
SECRET: Final = "s3cret"
STARTUP: Final = startup({b"user": ROLE.encode(), b"database": b"postgres"})
CONFIG: Final = f"""
target = "{{url}}"
authentication_timeout = 2
log_level = "error"
[[auth]]
username = "{ROLE}"
password = "{SECRET}"
"""
BROKEN: Final = (
    b"",
    b"n,,",
    b"n,,n=,r=",
    b"n,,n=a,r=" + b"x" * 4_000,
    b"n,,r=x,n=a",
    b"y,,n=a,r=\0",
    b"p=tls-unique,,n=a,r=abc",
    b"\xff\xfe,,n=a,r=abc",
    b"n,,m=ext,n=a,r=abc",
    b"n,a=\0,n=a,r=abc",
)
"""Malformed first messages of SCRAM. tests/auth checks the error text of each."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]  # noqa: TID251 - a client's
Crowd = Callable[[Up], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def of(cls, up: Up) -> "Address":
        host, _, port = up.url.rpartition("@")[2].partition("/")[0].rpartition(":")
        return cls(host, int(port))

    async def connect(self) -> "Streams":
        return await asyncio.open_connection(self.host, self.port)


@pytest.fixture
def up(postgres: Postgres, tmp_path: Path) -> Iterator[Up]:
    config = tmp_path / "pinwatch.toml"
    config.write_text(CONFIG.format(url=postgres.endpoint("postgres").url()))
    log = tmp_path / "log"
    with pinwatch_up(log, "--config", str(config), "--http", "off") as started:
        yield started
        assert started.stop() == 0
    assert log.read_text() == ""


async def in_turns(one: Callable[[int], Awaitable[None]]) -> None:
    """Run the whole crowd, AT_A_TIME clients at once."""
    turn = asyncio.Semaphore(AT_A_TIME)

    async def wait(number: int) -> None:
        async with turn:
            await one(number)

    await asyncio.gather(*map(wait, range(CROWD)))


async def wrong_passwords(up: Up) -> None:
    address = Address.of(up)

    async def one(number: int) -> None:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=address.host,
                port=address.port,
                user=ROLE if number % 2 else f"nobody_{number}",
                password="wrong",
                database="postgres",
                ssl=False,
            )

    await in_turns(one)


async def broken_scram(up: Up) -> None:
    address = Address.of(up)

    async def one(number: int) -> None:
        reader, writer = await address.connect()
        first = BROKEN[number % len(BROKEN)]
        writer.write(STARTUP + sasl_initial_response(b"SCRAM-SHA-256", first))
        answer = await reader.read()
        writer.close()
        assert b"E" in answer

    await in_turns(one)


async def nothing_said(up: Up) -> None:
    """The proxy closes each connection after authentication_timeout."""
    await until_the_end(up, b"")


async def half_a_startup(up: Up) -> None:
    await until_the_end(up, STARTUP[:9])


async def half_a_tls(up: Up) -> None:
    await until_the_end(up, INT32.pack(8) + INT32.pack(SSL_REQUEST_CODE))


async def half_a_password(up: Up) -> None:
    await until_the_end(up, STARTUP + HEADER.pack(PASSWORD, 2_000) + b"SCRAM")


async def until_the_end(up: Up, sent: bytes) -> None:
    address = Address.of(up)

    async def one() -> None:
        reader, writer = await address.connect()
        writer.write(sent)
        with suppress(ConnectionError):  # the proxy may have closed the connection
            await reader.read()
        writer.close()

    await asyncio.gather(*(one() for _ in range(CROWD)))


async def byte_by_byte(up: Up) -> None:
    """Clients that send one byte at a time."""
    address = Address.of(up)

    async def one() -> None:
        reader, writer = await address.connect()
        ended = asyncio.ensure_future(reader.read())
        for byte in STARTUP:
            if not ended.done():
                writer.write(bytes((byte,)))
                await asyncio.wait((ended,), timeout=0.1)
        with suppress(ConnectionError):
            await ended
        writer.close()

    await asyncio.gather(*(one() for _ in range(CROWD)))


async def a_packet_without_end(up: Up) -> None:
    address = Address.of(up)

    async def one(_: int) -> None:
        reader, writer = await address.connect()
        writer.write(STARTUP + message(PASSWORD, b"x" * 70_000))
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    await in_turns(one)


async def works_on(up: Up, crowd: Crowd) -> int:
    """Return how many queries of another client succeeded during the crowd's attack."""
    address = Address.of(up)
    client = await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=ROLE,
        password=SECRET,
        database="postgres",
        ssl=False,
    )
    crowded = asyncio.ensure_future(crowd(up))
    answered = 0
    while not crowded.done():
        assert await client.fetchval("SELECT 1") == 1
        answered += 1
    await crowded
    await client.close()
    return answered


@pytest.mark.parametrize(
    "crowd",
    [
        wrong_passwords,
        broken_scram,
        nothing_said,
        half_a_startup,
        half_a_tls,
        half_a_password,
        byte_by_byte,
        a_packet_without_end,
    ],
)
def test_a_crowd_does_no_harm(up: Up, crowd: Crowd) -> None:
    process = psutil.Process(up.process.pid)
    for _ in range(2):
        before = process.memory_info().rss
        with asyncio.Runner() as runner:
            answered = runner.run(asyncio.wait_for(works_on(up, crowd), 3 * PATIENCE))
        growth = process.memory_info().rss - before
    assert answered > 1
    assert growth < MAX_GROWTH
    assert process.num_fds() < AT_A_TIME
    with closing(psycopg.connect(up.url, password=SECRET)) as one_more:
        assert one_more.execute("SELECT 1").fetchone() == (1,)


def test_the_whole_crowd_fits_into_the_open_files() -> None:
    soft = os.sysconf("SC_OPEN_MAX")
    assert soft > CROWD + AT_A_TIME
