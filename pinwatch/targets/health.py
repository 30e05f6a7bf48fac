"""How a target is, as the RDS API words it (TargetHealth), looked at in the background.

Owns when to look: regularly, at once where something seems wrong, and after a failure
with a back-off. What the answer means for others is theirs.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pinwatch.errors import ClientError
from pinwatch.targets.connections import TargetConnections, jittered

ALONE: Final = 60.0  # seconds between looks at a target that nobody could stand in for
AMONG_OTHERS: Final = 1.0
SOONEST: Final = 0.1  # seconds, never scaled; doubled at each failure
LATEST: Final = 5.0

REASONS: Final = (
    ("08001", "UNREACHABLE"),
    ("28", "AUTH_FAILURE"),
    ("53300", "PENDING_PROXY_CAPACITY"),
    ("", "CONNECTION_FAILED"),
)
"""By the beginning of an SQLSTATE."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_TargetHealth.html"""

    state: str
    reason: str | None = None
    description: str | None = None


REGISTERING: Final = TargetHealth("REGISTERING")
AVAILABLE: Final = TargetHealth("AVAILABLE")


def unavailable(error: ClientError) -> TargetHealth:
    reason = next(text for code, text in REASONS if error.sqlstate.startswith(code))
    return TargetHealth("UNAVAILABLE", reason, error.text)


class Monitor:
    """Looks at one target; changed hears what is new.

    alone is whether no other target could stand in: it is then looked at seldom, and
    no connection is kept open for it.
    """

    def __init__(
        self,
        connections: TargetConnections,
        changed: Callable[[], None],
        alone: bool,
    ) -> None:
        self.connections = connections
        self.health = REGISTERING
        self.writable = False
        self.error: ClientError | None = None
        self._changed = changed
        self._alone = alone
        interval = connections.clock.real_seconds(ALONE if alone else AMONG_OTHERS)
        self._interval = max(interval, SOONEST)
        self._failures = 0
        self._again = asyncio.Event()
        self._looking = asyncio.Lock()

    @property
    def available(self) -> bool:
        return self.health is AVAILABLE

    @property
    def serves_writes(self) -> bool:
        return self.available and self.writable

    @property
    def down(self) -> bool:
        """Nobody can be served there, whoever asks."""
        return self.health.reason in ("UNREACHABLE", "CONNECTION_FAILED")

    def check_soon(self) -> None:
        """Something may be wrong: do not wait until the next look is due."""
        self._again.set()

    async def look(self) -> None:
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        before = self.health, self.writable
        try:
            status = await self.connections.look(stay=not self._alone)
        except ClientError as error:
            self.health, self.error = unavailable(error), error
            self._failures += 1
        else:
            self.health, self.writable, self.error = AVAILABLE, status.writable, None
            self._failures = 0
        if (self.health, self.writable) != before:
            self._changed()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._pause()
            await self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(SOONEST)
        rest = self._interval
        if self._failures:
            rest = jittered(min(SOONEST * 2**self._failures, LATEST))
        try:
            async with asyncio.timeout(rest - SOONEST):
                await self._again.wait()
        except TimeoutError:
            pass
        self._again.clear()
