"""The database connections to one target, from their opening to their end.

Owns the pool and fills it: logs in, retries transient failures, and reports other
refusals to the longest waiter. Does not know clients.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from pinwatch import events
from pinwatch.config.model import Settings
from pinwatch.config.target import Target
from pinwatch.counters import TargetCounters
from pinwatch.errors import (
    ClientError,
    connection_failure,
    reason,
    request_error,
    unreachable,
)
from pinwatch.pool.interfaces import Key
from pinwatch.pool.pool import Pool
from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.relay.database_stream import Row
from pinwatch.relay.parameters import init_query
from pinwatch.relay.statements import Registry
from pinwatch.relay.suspects import Suspect
from pinwatch.sockets.loop import running
from pinwatch.targets.dial import encryption, send_cancel
from pinwatch.targets.logins import CONNECT_TIMEOUT, NO_ANSWER, Logins
from pinwatch.targets.probes import Probes
from pinwatch.targets.tasks import Tasks, backoff, jittered, settle
from pinwatch.wire.messages import cancel_request

log = logging.getLogger("pinwatch")

CLOSE_TIMEOUT: Final = 5.0  # real seconds until a closing connection is aborted
UNREAD_CANCEL: Final = (
    "The server did not read a cancel request in time; it may still take effect."
)
TRANSIENT_STATES: Final = ("53300", "57P03", "08001", "08006", "57P01", "57P02")
"""SQLSTATEs of transient failures: too many connections, starting up, down."""

STATUS_SQL: Final = b"""
SELECT pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('max_connections'),
       pg_catalog.current_setting('superuser_reserved_connections'),
       pg_catalog.current_setting('reserved_connections', true)
"""


class Status(NamedTuple):
    """The result of STATUS_SQL.

    reserved is the number of connections that ordinary roles cannot use.
    """

    writable: bool
    max_connections: int
    reserved: int


class TargetConnections:
    """The connections to one target.

    password returns the password of a user, and number an unused identifier. The group
    sets lost, which is called when the target may be down.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        settings: Settings,
        registry: Registry,
        password: Callable[[str], str | None],
        number: Callable[[], int],
        observe: events.Observe,
    ) -> None:
        self.name = name
        self.target = target
        self.settings = settings
        self.counters = TargetCounters()
        self.registry = registry
        self.password = password
        self.number = number
        self.observe = observe
        self.lost: Callable[[], None] = lambda: None
        self.all: set[DatabaseConnection] = set()
        self._own: DatabaseConnection | None = None  # for status queries
        self._owned: set[DatabaseConnection] = set()  # _own and its predecessors
        self._queries: dict[DatabaseConnection, asyncio.Future[Row]] = {}
        self._loop = running()
        self.clock = self._loop.clock
        self._all_closed = asyncio.Event()
        self._encryption = encryption(target)
        self._openings = Tasks()
        self._cancels = Tasks()
        self._failures: Counter[Key] = Counter()  # since the last success
        self._leaving: dict[DatabaseConnection, float] = {}  # real time to abort
        self._logins = Logins(target)
        self.status = Status(False, 1, 0)
        pool = settings.connection_pool
        self.pool: Pool[DatabaseConnection] = Pool(
            1,
            pool.connection_borrow_timeout,
            self._open,
            self.clock,
            self._loop.call_soon,
        )
        self.probes = Probes(
            settings.hidden_state, self._query, observe, self.pool.give_back
        )

    async def check(self, keep_open: bool) -> Status:
        """Query the target's status; raises ClientError if the target cannot be used.

        With keep_open, the proxy's own connection is used and stays open for the next
        check. Without it, an idle connection of the pool is used, so that no more are
        open than the cap allows; if all are in use, the last status is returned.
        """
        spare = None if keep_open else self.pool.take_idle()
        if spare is not None:
            try:
                row = await self._query(spare, STATUS_SQL)
            finally:
                self.pool.put_back(spare)
        elif self.pool.in_use and not keep_open:
            return self.status
        else:
            connection = await self._own_connection()
            try:
                row = await self._query(connection, STATUS_SQL)
            finally:
                if not keep_open:
                    connection.close("The target's status has been read.")
        recovering, most, *reserved = row
        self.status = Status(
            recovering == b"f", int(most or 0), sum(int(one or 0) for one in reserved)
        )
        self.limit()
        return self.status

    async def _query(self, connection: DatabaseConnection, sql: bytes) -> Row:
        """Return the last row of a query of the proxy's own; raises ClientError."""
        if connection.phase in (Phase.CLOSING, Phase.CLOSED):
            raise connection_failure(connection.reason)
        answer = self._queries[connection] = self._loop.create_future()
        connection.ask(sql, lambda row, error: settle(answer, error or row))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                row: Row = await answer
                return row
        except TimeoutError:
            self.kill(connection, NO_ANSWER)
            raise unreachable(NO_ANSWER) from None
        finally:
            del self._queries[connection]

    def apply(self, settings: Settings) -> None:
        """Apply changed settings."""
        self.settings = settings
        self.probes.mode = settings.hidden_state
        self.pool.borrow_timeout = settings.connection_pool.connection_borrow_timeout
        self.limit()

    def limit(self) -> None:
        """Set the pool's caps from the settings and the target's max_connections.

        A percentage leaves out the connections that the target reserves, and allows at
        least one. The setting max_connections replaces it.
        """
        percents = self.settings.connection_pool
        percent, most = percents.max_connections_percent, self.status.max_connections
        allowed = max(most * percent // 100 - self.status.reserved, 1)
        if self.settings.max_connections is not None:
            allowed = self.settings.max_connections
            most = allowed * 100 // percent
        self.pool.max_connections = allowed
        self.pool.max_idle = int(most * percents.max_idle_percent / 100)
        self.pool.match()

    def drop(self, reason: str) -> None:
        """Abort all connections now, also those that sessions use."""
        for connection in list(self.all):
            self.kill(connection, reason)
        self._logins.abort()

    def kill(self, connection: DatabaseConnection, reason: str) -> None:
        """Abort a connection now, unless it is closed."""
        if connection.phase is Phase.CLOSED:
            return
        if connection not in self._owned:
            self.pool.retire(connection)
        connection.reason = reason
        connection.abort()

    @property
    def opening(self) -> list[DatabaseConnection]:
        """The pool's connections that are logging in."""
        return [one for one in self._logins.connections if one not in self._owned]

    def is_idle(self, connection: DatabaseConnection) -> bool:
        """Return True if neither a client nor the proxy uses the connection."""
        if connection in self._owned:
            asked = connection in self._queries
            return connection.phase is Phase.READY and not asked
        idle_list = connection.idle_list
        return idle_list is not None and connection in idle_list

    def interrupt(
        self,
        connection: DatabaseConnection,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        key = connection.backend_key
        if key is not None:
            connection.cancelling += 1
            request = cancel_request(*key)
            self._cancels.run(self._cancel(connection, request, delivered))
        elif delivered is not None:
            delivered()

    def sweep(self) -> None:
        """Sweep the pool, and abort the connections that close too slowly."""
        self.pool.sweep()
        now = self.clock.real
        for connection in [c for c, at in self._leaving.items() if at <= now]:
            connection.abort()

    def __repr__(self) -> str:
        return (
            f"<TargetConnections {self.name} {len(self.all)} open, "
            f"{len(self.opening)} opening, {self.pool!r}>"
        )

    async def stop(self) -> None:
        """Close all connections, and abort them after CLOSE_TIMEOUT."""
        await self._openings.end()
        await self.probes.end(CLOSE_TIMEOUT)
        self._all_closed.clear()
        for connection in list(self.all):
            connection.close("The proxy was stopped.")
        if self.all:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._all_closed.wait()
        for connection in list(self.all):
            connection.abort()
        await self._cancels.end()

    # Opening.

    def _open(self, key: Key) -> None:
        self._openings.run(self._open_for_pool(key))

    async def _open_for_pool(self, key: Key) -> None:
        connection = self._new(key)
        number, encrypted = connection.number, self._encryption is not None
        self.observe(events.DatabaseConnecting(number, encrypted, self.name))
        try:
            await self._logins.log_in(connection)
            self.all.add(connection)
            await self._logins.initialise(connection)
            await self.probes.begin(connection)
        except ClientError as error:
            tls = connection.secure is not None
            self.observe(
                events.DatabaseRefused(
                    number, error.text, error.sqlstate, self.name, tls
                )
            )
            self._refused(key, error)
        else:
            self._failures.pop(key, None)
            connection.opened_at = self.clock.now
            tls = connection.secure is not None
            self.observe(
                events.DatabaseConnected(number, *connection.ends(), self.name, tls)
            )
            self.pool.opened(connection)

    async def _own_connection(self) -> DatabaseConnection:
        """Return the proxy's own connection, opened if needed; raises ClientError."""
        if self._own is not None and self._own.phase is Phase.READY:
            return self._own
        target = self.target
        key = target.user.encode(), target.database.encode()
        connection = self._own = self._new(key)
        self._owned.add(connection)
        try:
            await self._logins.log_in(connection)
        except ClientError:
            self._owned.discard(connection)
            raise
        self.all.add(connection)
        return connection

    def _refused(self, key: Key, error: ClientError) -> None:
        if error.sqlstate in TRANSIENT_STATES:
            self.lost()
            scaled = jittered(backoff(self._failures[key])) * self.clock.scale
            self._failures[key] += 1
            self.pool.unavailable(key, scaled)
        else:
            self.pool.refused(key, request_error(error.text, error.sqlstate))

    def _new(self, key: Key) -> DatabaseConnection:
        return DatabaseConnection(
            self.number(),
            key,
            self.password(key[0].decode("utf-8", "replace")),
            self.registry,
            self.settings.max_prepared_statements,
            self,
            self._encryption,
            init_query(self.settings.connection_pool.init_query or ""),
        )

    async def _cancel(
        self,
        connection: DatabaseConnection,
        request: bytes,
        delivered: Callable[[], None] | None,
    ) -> None:
        """Send a cancel request; kill the connection if the server does not read it."""
        try:
            await send_cancel(self.target, request)
        except TimeoutError:
            self.kill(connection, UNREAD_CANCEL)
        except OSError as error:
            log.info("A cancel request did not reach the target: %s.", reason(error))
        finally:
            connection.cancelling -= 1
            if delivered is not None:
                delivered()
            connection.check_replies()

    # What connections report (Owner).

    def object_in_use(self, connection: DatabaseConnection, text: str) -> None:
        for name in {key[1].decode("utf-8", "replace") for key in self.pool.idle}:
            if f'"{name}"' in text:
                idle = self.pool.idle_in(name.encode())
                if idle:
                    number = connection.number
                    self.observe(events.DatabaseInUse(number, name, idle))

    def opened(self, connection: DatabaseConnection) -> None:
        self._logins.settle(connection, None)

    def failed(self, connection: DatabaseConnection, error: ClientError) -> None:
        self._logins.settle(connection, error)

    def reset_started(self, connection: DatabaseConnection) -> None:
        self.pool.reset_started(connection)

    def reset_done(self, connection: DatabaseConnection) -> None:
        self.observe(events.DatabaseReset(connection.number))
        self.pool.give_back(connection)

    def probe(self, connection: DatabaseConnection, suspects: list[Suspect]) -> None:
        self.counters.probes += 1
        self.pool.reset_started(connection)
        self.probes.run(connection, suspects)

    def reset_leaks(self) -> None:
        """Start to reset the idle connections on which hidden state was found."""
        for connection in self.all:
            if connection.hidden_state and self.is_idle(connection):
                connection.reset()

    def closing(self, connection: DatabaseConnection, cancel: bool) -> None:
        if connection not in self._owned:
            self.pool.retire(connection)
        self._leaving[connection] = self.clock.real + CLOSE_TIMEOUT
        if cancel:
            self.interrupt(connection)

    def closed(self, connection: DatabaseConnection, reason: str) -> None:
        served = connection in self.all
        self.all.discard(connection)
        ended_here = self._leaving.pop(connection, None) is not None
        failure = connection_failure(reason)
        self._logins.settle(connection, failure)
        settle(self._queries.get(connection), failure)
        if connection in self._owned:
            self._owned.discard(connection)
        elif served:
            self.observe(events.DatabaseClosed(connection.number, reason))
        if not self.all:
            self._all_closed.set()
        self.pool.closed(connection)
        if not ended_here:
            self.lost()
