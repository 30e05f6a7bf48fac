"""The wait at the start of a proxy for targets that cannot be reached yet.

Owns which errors are worth a wait, the retries, and the lines about them. Does not
choose the writer.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pinwatch.targets.health import Monitor
from pinwatch.targets.tasks import backoff, jittered

log = logging.getLogger("pinwatch")

NOT_YET: Final = ("08001", "08006", "53300", "57P01", "57P02", "57P03")
"""SQLSTATEs of a server that may accept a later login: not up, starting, full."""
MAX_INTERVAL: Final = 1.0  # real seconds between checks
REPORT_INTERVAL: Final = 5.0  # real seconds between log lines


def may_come_up(monitor: Monitor) -> bool:
    """Return whether the last check failed, and a later one may succeed."""
    return monitor.error is not None and monitor.error.sqlstate in NOT_YET


async def wait_for(awaited: Callable[[], list[Monitor]], seconds: float) -> None:
    """Check again the targets that awaited returns, until it returns none.

    Return after at most ``seconds`` real seconds and the time of one check.
    """
    clock = asyncio.get_running_loop().time
    report_at = now = clock()
    deadline, failures = now + seconds, 0
    while now < deadline and (monitors := awaited()):
        if now >= report_at:
            report_at = now + REPORT_INTERVAL
            for monitor in monitors:
                _report(monitor, deadline - now)
        pause = min(jittered(backoff(failures)), MAX_INTERVAL, deadline - now)
        await asyncio.sleep(pause)
        await asyncio.gather(*(monitor.check() for monitor in monitors))
        failures, now = failures + 1, clock()


def _report(monitor: Monitor, left: float) -> None:
    assert monitor.error is not None
    log.warning(
        "The target %s cannot be used yet: %s. Retrying for up to %.1f s.",
        monitor.connections.target.address,
        monitor.error.text.rstrip("."),
        left,
    )
