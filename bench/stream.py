"""One run of COPY: a client that receives or sends as fast as it can."""

from __future__ import annotations

import asyncio
import time
from itertools import repeat
from typing import Final

import uvloop

from bench import process
from bench.cases import MB, Copy
from bench.client import Client, connect, copy_data
from bench.server import DATABASE, ROLES
from bench.subjects import Endpoint
from bench.usage import usage

ROW: Final = 1_000
ROWS_A_MESSAGE: Final = 8

_COPY_IN: Final = "COPY copied FROM STDIN WHERE false"
"""The server reads the rows and stores none."""


def run(case: Copy, endpoint: Endpoint, seconds: int) -> dict[str, float]:
    """Return one reading of whole copies for ``seconds`` or more. Raises Refused."""
    return uvloop.run(_run(case, endpoint, seconds))


async def _run(case: Copy, endpoint: Endpoint, seconds: int) -> dict[str, float]:
    async with asyncio.timeout(3 * seconds + 60):
        client = await connect(endpoint.port, ROLES[case.login], DATABASE)
        try:
            await _copy(case, client)
            return await _measure(case, client, endpoint, seconds)
        finally:
            client.close()


async def _measure(
    case: Copy, client: Client, endpoint: Endpoint, seconds: int
) -> dict[str, float]:
    before, began = usage(endpoint, time.process_time()), time.monotonic()
    copies = 0
    while (span := time.monotonic() - began) < seconds:
        await _copy(case, client)
        copies += 1
    after = usage(endpoint, time.process_time())
    megabytes = copies * case.payload / MB
    reading = {"mb_per_s": megabytes / span, **before.cores(after, span)}
    if endpoint.pid is not None:
        reading["cpu_us_per_mb"] = (after.proxy - before.proxy) / megabytes * 1e6
        reading["rss_mb"] = process.resident_mb(endpoint.pid)
    return reading


async def _copy(case: Copy, client: Client) -> None:
    """Run one COPY of the case's payload."""
    rows = case.payload // ROW
    row = b"x" * (ROW - 1) + b"\n"
    if case.direction == "in":
        message = copy_data(row * ROWS_A_MESSAGE)
        await client.copy_in(_COPY_IN, repeat(message, rows // ROWS_A_MESSAGE))
        return
    source = f"SELECT repeat('x', {ROW - 1}) FROM generate_series(1, {rows})"
    received = await client.query(f"COPY ({source}) TO STDOUT")
    assert received > case.payload
