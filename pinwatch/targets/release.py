"""Idle database connections, closed on request so that databases can be dropped.

Owns the wait until the server has let go of them. Serves `pinwatch release`, the
setting release_on_ddl and the proxies of test suites alike.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.targets.connections import TargetConnections

RELEASED: Final = "It was idle, and its release was requested."
RELEASE_TIMEOUT: Final = 10.0  # seconds that the server gets to let go
LOOK_INTERVAL: Final = 0.002  # seconds


async def release(
    targets: Iterable[TargetConnections], databases: frozenset[bytes] | None = None
) -> int:
    """Close the idle connections to databases, or all; return how many were closed.

    Returns when the server has let go of them, after 10 seconds at most. Connections
    that are being opened, reset or closed count as idle unless a client borrows them
    meanwhile. A borrowed connection stays. The proxy's own connection, by which it
    checks a target, is closed as well and not counted.
    """
    releases = [_Release(target, databases) for target in targets]
    deadline = asyncio.get_running_loop().time() + RELEASE_TIMEOUT
    while [one for one in releases if one.advance()]:
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(LOOK_INTERVAL)
    return sum(one.closed for one in releases)


class _Release:
    """The release of one target's connections that no client has when it begins."""

    def __init__(
        self, target: TargetConnections, databases: frozenset[bytes] | None
    ) -> None:
        self.target = target
        self.closed = 0
        self.left: set[DatabaseConnection] = {
            connection
            for connection in (*target.all, *target.opening)
            if databases is None or connection.key[1] in databases
        }

    def advance(self) -> bool:
        """Close what is idle by now; return whether some connection is still left."""
        for connection in list(self.left):
            if connection.session is not None or connection.phase is Phase.CLOSED:
                self.left.discard(connection)
            elif self.target.is_idle(connection):
                self.closed += connection.idle_list is not None
                connection.close(RELEASED)
        return bool(self.left)
