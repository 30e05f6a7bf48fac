"""The opening of database connections: connect, log in, run the init query.

Owns the connections that are logging in, and their outcomes. Does not know the pool.
"""

import asyncio
from typing import Final

from pinwatch.config.target import Target
from pinwatch.errors import ClientError, connection_failure, reason, unreachable
from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.sockets.loop import running
from pinwatch.targets.dial import dial
from pinwatch.targets.tasks import settle

CONNECT_TIMEOUT: Final = 10.0  # real seconds to connect and log in, or to answer
NO_ANSWER: Final = f"no answer within {CONNECT_TIMEOUT:.0f} seconds"


class Logins:
    """The connections to one target that are logging in."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pending: dict[DatabaseConnection, asyncio.Future[None]] = {}

    @property
    def connections(self) -> list[DatabaseConnection]:
        return list(self._pending)

    async def log_in(self, connection: DatabaseConnection) -> None:
        """Connect and log in. Raises ClientError after aborting the connection."""
        login = self._pending[connection] = running().create_future()
        ready = False
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await dial(self._target, connection)
                await login
            last_words = connection.stream.fatal
            if last_words is not None:
                raise last_words
            if connection.phase is Phase.CLOSED:
                raise connection_failure(connection.reason)
            ready = True
        except TimeoutError:
            raise unreachable(NO_ANSWER) from None
        except OSError as error:
            raise unreachable(reason(error)) from None
        finally:
            del self._pending[connection]
            if not ready:
                connection.abort()

    async def initialise(self, connection: DatabaseConnection) -> None:
        """Run the init query, if there is one; raises ClientError."""
        if not connection.init_query.sql:
            return
        done = self._pending[connection] = running().create_future()
        connection.initialise(lambda error: settle(done, error))
        try:
            await done
        except ClientError:
            connection.close("The init query failed.")
            raise
        finally:
            del self._pending[connection]

    def settle(self, connection: DatabaseConnection, error: ClientError | None) -> None:
        """Report the outcome of a login; a connection that is ready is ignored."""
        settle(self._pending.get(connection), error)

    def abort(self) -> None:
        for connection in self.connections:
            connection.abort()
