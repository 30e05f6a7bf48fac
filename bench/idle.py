"""Many idle clients: the memory of each, and the time to serve all at once."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import uvloop

from bench import process
from bench.cases import Idle
from bench.client import Client, connect
from bench.metrics import latencies
from bench.server import DATABASE, ROLES
from bench.subjects import Endpoint

MAX_LOGINS: Final = 50
"""Concurrent logins."""

SETTLE: Final = 1.0
"""Seconds from the last login to the reading of the memory."""


def run(case: Idle, endpoint: Endpoint) -> dict[str, float]:
    """Return one reading. Raises Refused if a client is rejected or not served."""
    assert endpoint.pid is not None
    return uvloop.run(_run(case, endpoint.port, endpoint.pid))


async def _run(case: Idle, port: int, proxy: int) -> dict[str, float]:
    async with asyncio.timeout(300):
        for client in await _log_in(case, port, MAX_LOGINS):
            await client.query("SELECT 1")
            client.close()
        await asyncio.sleep(SETTLE)
        before = process.resident_mb(proxy)
        began = time.monotonic()
        clients = await _log_in(case, port, case.clients)
        logins = time.monotonic() - began
        await asyncio.sleep(SETTLE)
        idle = process.resident_mb(proxy)
        served = await _serve(clients, proxy)
        after = process.resident_mb(proxy)
        for client in clients:
            client.close()
    return {
        "connects_per_s": case.clients / logins,
        "idle_kb_per_client": (idle - before) * 1024 / case.clients,
        "served_kb_per_client": (after - before) * 1024 / case.clients,
        "rss_mb": after,
        **served,
    }


async def _log_in(case: Idle, port: int, clients: int) -> list[Client]:
    found: list[Client] = []
    while len(found) < clients:
        many = min(MAX_LOGINS, clients - len(found))
        role = ROLES[case.login]
        found += await asyncio.gather(
            *(connect(port, role, DATABASE) for _ in range(many))
        )
    return found


async def _serve(clients: list[Client], proxy: int) -> dict[str, float]:
    """Send a query on all clients at once; return latencies and the proxy's CPU."""
    cpu, began = process.cpu_seconds(proxy), time.monotonic()
    for client in clients:
        client.ask("SELECT 1")
    for client in clients:
        await client.ready()
    span = time.monotonic() - began
    cpu = process.cpu_seconds(proxy) - cpu
    return {
        "tps": len(clients) / span,
        "cpu_us_per_transaction": cpu / len(clients) * 1e6,
        **latencies([(client.answered_at - began) * 1000 for client in clients]),
    }
