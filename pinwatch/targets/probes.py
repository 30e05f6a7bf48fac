"""The probes that run on the connections of one target, and their outcomes.

Owns a connection from the end of its session until it is back in the pool, reset or
closed. ``probe`` decides what is hidden state.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from pinwatch import events
from pinwatch.config.model import HiddenState
from pinwatch.errors import ClientError
from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.relay.suspects import Suspect
from pinwatch.targets.probe import Ask, Prober
from pinwatch.targets.tasks import Tasks

log = logging.getLogger("pinwatch")

LOST: Final = "08"
"""The class of SQLSTATEs of a connection that is lost."""
NEVER_PROBED: Final = "It was opened before pinwatch probed for hidden state."
FAILED: Final = "The database connection %d could not be probed for hidden state: %s"


class Probes:
    """The probes of one target.

    give_back takes a connection that can be borrowed again.
    """

    def __init__(
        self,
        mode: HiddenState,
        ask: Ask,
        observe: events.Observe,
        give_back: Callable[[DatabaseConnection], None],
    ) -> None:
        self.mode = mode
        self._prober = Prober(ask, observe)
        self._give_back = give_back
        self._tasks = Tasks()

    async def begin(self, connection: DatabaseConnection) -> None:
        """Probe a new connection, unless the mode is off.

        A connection whose probe fails serves clients all the same. Raises ClientError
        if it is lost.
        """
        if self.mode != "off":
            succeeded = await self._succeeds(connection, self._prober.begin(connection))
            connection.probe_failed = not succeeded

    def run(self, connection: DatabaseConnection, suspects: list[Suspect]) -> None:
        """Start to probe a connection without a session."""
        self._tasks.run(self._run(connection, suspects))

    @property
    def running(self) -> bool:
        return bool(self._tasks)

    async def done(self) -> None:
        """Wait until no connection is probed."""
        await self._tasks.done()

    async def end(self, patience: float) -> None:
        """Wait for probes for up to patience seconds, then cancel those that run."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.done()
        await self._tasks.end()

    async def _run(
        self, connection: DatabaseConnection, suspects: list[Suspect]
    ) -> None:
        resets, is_clean = self.mode == "reset", False
        if connection.initial_state is not None:
            probe = self._prober.find(connection, suspects, resets)
            try:
                succeeded = await self._succeeds(connection, probe)
                is_clean = succeeded and not connection.hidden_state
            except ClientError as error:
                log.warning(FAILED, connection.number, error.text)
        elif not connection.probe_failed:
            connection.close(NEVER_PROBED)
        if connection.phase is not Phase.PROBING:
            return
        if connection.stream.own or (resets and not is_clean):
            connection.reset()
        else:
            connection.probed()
            self._give_back(connection)

    async def _succeeds(
        self, connection: DatabaseConnection, probe: Awaitable[None]
    ) -> bool:
        """Return True if a probe succeeds, and log why if not.

        Raises ClientError if the connection is lost.
        """
        try:
            await probe
        except ClientError as error:
            if error.sqlstate.startswith(LOST):
                raise
            log.warning(FAILED, connection.number, error.text)
            return False
        except Exception:  # the connection must remain of use
            log.exception(FAILED, connection.number, "an error of pinwatch")
            return False
        return True
