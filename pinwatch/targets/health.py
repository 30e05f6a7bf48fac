"""Regular checks of a target's health, reported in the terms of the RDS API.

Owns the schedule of the checks: at intervals, at once after a lost connection, and
with a back-off after a failure. Does not decide on a failover.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pinwatch import events
from pinwatch.errors import ClientError
from pinwatch.targets.connections import TargetConnections
from pinwatch.targets.tasks import backoff, jittered

SINGLE_TARGET_INTERVAL: Final = 60.0  # seconds between checks if there is one target
CHECK_INTERVAL: Final = 1.0  # seconds between checks of each of several targets
MIN_INTERVAL: Final = 0.1  # real seconds between any two checks

REASONS: Final = (
    ("08001", "UNREACHABLE"),
    ("28", "AUTH_FAILURE"),
    ("53300", "PENDING_PROXY_CAPACITY"),
    ("", "CONNECTION_FAILED"),
)
"""TargetHealth's Reason by the first characters of an SQLSTATE."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """State, Reason and Description of the RDS API's TargetHealth.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_TargetHealth.html
    """

    state: str
    reason: str | None = None
    description: str | None = None


REGISTERING: Final = TargetHealth("REGISTERING")
AVAILABLE: Final = TargetHealth("AVAILABLE")


def unavailable(error: ClientError) -> TargetHealth:
    """Return the health of a target that failed with error."""
    reason = next(text for code, text in REASONS if error.sqlstate.startswith(code))
    return TargetHealth("UNAVAILABLE", reason, error.text)


class Monitor:
    """Checks one target, and calls changed when its health or writability changes.

    single is true if the proxy has no other target. The target is then checked once a
    minute, and no connection stays open for the checks.
    """

    def __init__(
        self,
        connections: TargetConnections,
        changed: Callable[[], None],
        single: bool,
    ) -> None:
        self.connections = connections
        self.health = REGISTERING
        self.writable = False
        self.error: ClientError | None = None
        # The health and the error by the last check.
        self._found: tuple[TargetHealth, ClientError | None] = REGISTERING, None
        self._simulated: dict[str, ClientError] = {}  # errors by cause
        self._changed = changed
        self._single = single
        interval = connections.clock.real_seconds(
            SINGLE_TARGET_INTERVAL if single else CHECK_INTERVAL
        )
        self._interval = max(interval, MIN_INTERVAL)
        self._failures = 0
        self._check_now = asyncio.Event()
        self._checking = asyncio.Lock()

    @property
    def available(self) -> bool:
        return self.health is AVAILABLE

    @property
    def serves_writes(self) -> bool:
        return self.available and self.writable

    @property
    def down(self) -> bool:
        """True if the target serves no client; a refused login is not an outage."""
        return self.health.reason in ("UNREACHABLE", "CONNECTION_FAILED")

    def simulate(self, cause: str, error: ClientError | None) -> None:
        """Report the target as unavailable with error.

        None ends the outage with this cause. The health is then that of the last check,
        because checks go on during the outage. Does not call changed.
        """
        if error is None:
            self._simulated.pop(cause, None)
        else:
            self._simulated[cause] = error
        self._update()

    def check_soon(self) -> None:
        """Check before the interval ends, because a connection was lost."""
        self._check_now.set()

    async def check(self) -> None:
        """Check now, or after a check that is in progress."""
        async with self._checking:
            await self._check()

    async def _check(self) -> None:
        before = self.health, self.writable
        try:
            status = await self.connections.check(keep_open=not self._single)
        except ClientError as error:
            self._found = unavailable(error), error
            self._failures += 1
        else:
            self._found = AVAILABLE, None
            self.writable = status.writable
            self._failures = 0
        self._update()
        if (self.health, self.writable) != before:
            self._changed()

    def _update(self) -> None:
        """Take the health of a simulated outage, or of the last check.

        Report a change, except the success of a first check. The failure of a first
        check is not reported if there is one target: the proxy then refuses to start,
        and says why.
        """
        before = self.health
        self.health, self.error = self._found
        simulated = next(iter(self._simulated.values()), None)
        if simulated is not None:
            self.health, self.error = unavailable(simulated), simulated
        now, first = self.health, before is REGISTERING
        if now == before or (first and (now is AVAILABLE or self._single)):
            return
        self.connections.observe(
            events.HealthChanged(
                self.connections.name, now.state, now.reason, now.description
            )
        )

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self._pause()
            await self.check()

    async def _pause(self) -> None:
        await asyncio.sleep(MIN_INTERVAL)
        rest = self._interval
        if self._failures:
            rest = jittered(backoff(self._failures))
        try:
            async with asyncio.timeout(rest - MIN_INTERVAL):
                await self._check_now.wait()
        except TimeoutError:
            pass
        self._check_now.clear()
