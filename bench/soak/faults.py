"""The faults of a soak: pinwatch's own, and failovers between two targets."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any, Final

from bench.soak.http import Http, HttpError

INTERVAL: Final = 8.0
"""Mean of the seconds between the ends and beginnings of faults."""

SECONDS: Final = 3.0
"""Length of a fault that lasts."""

FAULTS: Final[tuple[tuple[dict[str, Any], int], ...]] = (
    ({"kind": "latency", "seconds": 0.05, "lasting": SECONDS}, 4),
    ({"kind": "refuse", "every": 10, "lasting": SECONDS}, 3),
    ({"kind": "kill", "connections": 1}, 4),
    ({"kind": "kill", "connections": 1, "seconds": 0.5, "lasting": SECONDS}, 2),
    ({"kind": "kill"}, 1),
    ({"kind": "pause", "lasting": 1.0}, 2),
)
"""Bodies of POST /api/faults, and how often each is drawn."""

FAILOVERS: Final = 2
"""How often a failover is drawn, among the numbers above."""

MAX_OUTAGE: Final = 1.0


class Faults:
    """Injects a fault now and then, until it is cancelled."""

    def __init__(self, http: Http, chance: Random) -> None:
        self.http = http
        self.chance = chance
        self.happened: Counter[str] = Counter()

    async def run(self) -> None:
        bodies = [body for body, _ in FAULTS]
        weights = [weight for _, weight in FAULTS]
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / INTERVAL))
            if self.chance.randrange(sum(weights) + FAILOVERS) < FAILOVERS:
                await self._fail_over()
            else:
                body = self.chance.choices(bodies, weights)[0]
                await self.http.request("POST", "/api/faults", body)
                self.happened[body["kind"]] += 1

    async def _fail_over(self) -> None:
        body = {"to": None, "outage": self.chance.uniform(0, MAX_OUTAGE)}
        try:
            await self.http.request("POST", "/api/failover", body)
        except HttpError:  # the other target is still being checked
            self.happened["failover refused"] += 1
        else:
            self.happened["failover"] += 1

    async def remove(self) -> None:
        """Remove the faults that still last."""
        for fault in await self.http.get("/api/faults"):
            try:
                await self.http.request("DELETE", f"/api/faults/{fault['name']}")
            except HttpError:  # it has ended meanwhile
                self.happened["ended by itself"] += 1
