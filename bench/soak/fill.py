"""Fill the bounded stores of pinwatch: pins that ended, digests, verdicts.

They grow to their limits in any case; filled at once, they cannot hide or feign a leak
in the curve that follows.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from bench.soak import site
from bench.soak.site import Site
from bench.soak.visits import login
from bench.soak.wire import WireClient
from pinwatch.observers.latest import MAX_ITEMS
from pinwatch.pins.cache import MAX_TEXTS
from pinwatch.relay.pin_state import MAX_REPORTED
from pinwatch.wire import messages

BATCH: Final = 20
"""Queries that are sent at once."""

AT_A_TIME: Final = 5
"""Clients that fill the store of pins at a time."""


async def fill(where: Site, chance: Random) -> None:
    """Pin and query until the stores are full. Raises Lost and ServerError."""
    visits = MAX_ITEMS // MAX_REPORTED * 5 // 4  # some pins are similar
    for _ in range(visits // AT_A_TIME):
        await asyncio.gather(*(_pin(where, chance) for _ in range(AT_A_TIME)))
    client = await WireClient.login(where.books, where.port, login(where, chance))
    for _ in range(MAX_TEXTS // BATCH):
        texts = [f"SELECT 1 AS only_{site.word(chance, 4)}" for _ in range(BATCH)]
        sent = [messages.query(text.encode()) for text in texts]
        await client.ask(*sent, syncs=BATCH)
    client.leave()


async def _pin(where: Site, chance: Random) -> None:
    """Run as many different statements that pin as one session reports."""
    client = await WireClient.login(where.books, where.port, login(where, chance))
    for _ in range(MAX_REPORTED // BATCH + 1):
        texts = [site.pinning_statement(chance) for _ in range(BATCH)]
        sent = [messages.query(text.encode()) for text in texts]
        await client.pin(*sent, syncs=BATCH)
    client.leave()
