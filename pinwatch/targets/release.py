"""Closes idle database connections on request, so that databases can be dropped.

Owns the wait until the server has closed them, too. `pinwatch release`, the setting
release_on_ddl and the proxies of test suites use it.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.targets.connections import TargetConnections

RELEASED: Final = "Closed on request as an idle connection."
RELEASE_TIMEOUT: Final = 10.0  # real seconds until the server must have closed them
CHECK_INTERVAL: Final = 0.002  # real seconds between checks


async def release(
    targets: Iterable[TargetConnections], databases: frozenset[bytes] | None = None
) -> int:
    """Close the idle connections to databases, or all; return how many were closed.

    Return when the server has closed them, after RELEASE_TIMEOUT at the latest.
    Connections that are being opened, reset or closed count as idle unless a client
    borrows them meanwhile. A borrowed connection stays. The proxy's own connection, by
    which it checks a target, is closed as well and not counted.
    """
    releases = [_Release(target, databases) for target in targets]
    deadline = asyncio.get_running_loop().time() + RELEASE_TIMEOUT
    while [one for one in releases if one.advance()]:
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(CHECK_INTERVAL)
    return sum(one.closed for one in releases)


class _Release:
    """The release of the connections to one target."""

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
        """Close connections that have become idle; return True while any is open."""
        for connection in list(self.left):
            if connection.session is not None or connection.phase is Phase.CLOSED:
                self.left.discard(connection)
            elif self.target.is_idle(connection):
                self.closed += connection.idle_list is not None
                connection.close(RELEASED)
        return bool(self.left)
