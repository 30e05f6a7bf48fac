"""One target: its database connections, from their opening to their end.

Owns the pool and how it is filled: whom to log in as, what to try again, and what to
tell those who wait when the database refuses. Does not know clients.
"""

import asyncio
import contextlib
import errno
import logging
import os
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from pinwatch import events
from pinwatch.config.model import Settings
from pinwatch.config.target import Target
from pinwatch.counters import TargetCounters
from pinwatch.errors import (
    ClientError,
    connection_failure,
    request_error,
    unreachable,
)
from pinwatch.pool.interfaces import Key
from pinwatch.pool.pool import Pool
from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.relay.database_startup import Encryption
from pinwatch.relay.database_stream import Row
from pinwatch.relay.parameters import init_query
from pinwatch.relay.statements import Registry
from pinwatch.sockets.connect import connect, connect_unix
from pinwatch.sockets.loop import running
from pinwatch.sockets.transport import Listening, Receiver, Transport
from pinwatch.tls.certificates import client
from pinwatch.wire.messages import cancel_request

log = logging.getLogger("pinwatch")

CONNECT_TIMEOUT: Final = 10.0  # seconds for a connection to be opened and logged in
NO_ANSWER: Final = f"no answer within {CONNECT_TIMEOUT:.0f} seconds"
CLOSE_TIMEOUT: Final = 5.0  # seconds in which the server lets go of a connection
UNREAD_CANCEL: Final = "A cancel request was not read in time, and may come late."
RETRY_FIRST: Final = 0.1  # seconds; doubled at each failure
RETRY_LAST: Final = 5.0
PASSING_STATES: Final = ("53300", "57P03", "08001", "08006", "57P01", "57P02")
"""SQLSTATEs of a refusal that may pass: too many connections, starting up, down."""

STATUS_SQL: Final = b"""
SELECT pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('max_connections'),
       pg_catalog.current_setting('superuser_reserved_connections'),
       pg_catalog.current_setting('reserved_connections', true)
"""


class Tasks:
    """Work that goes on beside the rest, kept hold of until it is done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Returns when nothing goes on any more."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


class Status(NamedTuple):
    """What a target said of itself; reserved are its superusers' connections."""

    writable: bool
    max_connections: int
    reserved: int


def settle(future: asyncio.Future[Any] | None, outcome: object) -> None:
    """End it, unless nobody waits for it any more; a ClientError is raised there."""
    if future is None or future.done():
        return
    if isinstance(outcome, ClientError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def jittered(seconds: float) -> float:
    """Between half of it and all of it, so that retries do not come together."""
    return seconds * random.uniform(0.5, 1)


class CancelConnection(Listening):
    """A connection that only carries a CancelRequest; done when the server ends it."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self.request = request
        self.done = done
        self.transport: Transport | None = None

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        settle(self.done, None)


class TargetConnections:
    """The connections to one target.

    password gives what to log in with as a user; number an identifier not in use; now
    is the proxy's clock, and lost hears that the target may be down.
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
        now: Callable[[], float],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.target = target
        self.settings = settings
        self.counters = TargetCounters()
        self.registry = registry
        self.password = password
        self.number = number
        self.observe = observe
        self.now = now
        self.lost = lost
        self.all: set[DatabaseConnection] = set()
        self._own: DatabaseConnection | None = None  # which answers the proxy
        self._owned: set[DatabaseConnection] = set()  # that and those it was
        self._questions: dict[DatabaseConnection, asyncio.Future[Row]] = {}
        self._loop = running()
        self.clock = self._loop.clock
        self._all_closed = asyncio.Event()
        self._encryption = encryption(target)
        self._openings = Tasks()
        self._cancels = Tasks()
        self._retries: dict[Key, float] = {}  # seconds before the next try
        self._leaving: dict[DatabaseConnection, float] = {}
        self._logins: dict[DatabaseConnection, asyncio.Future[None]] = {}
        self.status = Status(False, 1, 0)
        pool = settings.connection_pool
        self.pool = Pool(
            1,
            pool.connection_borrow_timeout,
            self._open,
            self.clock,
            self._loop.call_soon,
            settings.time_scale,
        )

    async def look(self, stay: bool) -> Status:
        """Ask the target how it is; raises ClientError where it cannot be used.

        With stay on a connection of the proxy's own, which is kept for the next time.
        Without, an idle one of the pool answers, so that no more are open than the cap
        allows; where all are borrowed, what was answered last holds.
        """
        spare = None if stay else self._spare()
        if spare is not None:
            unused_since = spare.idle_since
            row = await self._ask(spare)
            self.pool.give_back(spare)
            spare.idle_since = unused_since
        elif self.pool.borrowed and not stay:
            return self.status
        else:
            connection = await self._itself()
            row = await self._ask(connection)
            if not stay:
                connection.close("The proxy has its answer.")
        recovering, most, *reserved = row
        self.status = Status(
            recovering == b"f", int(most or 0), sum(int(one or 0) for one in reserved)
        )
        self.limit()
        return self.status

    def _spare(self) -> DatabaseConnection | None:
        spare = self.pool.spare()
        assert spare is None or isinstance(spare, DatabaseConnection)
        return spare

    async def _ask(self, connection: DatabaseConnection) -> Row:
        """Raises ClientError."""
        question = self._questions[connection] = self._loop.create_future()
        connection.ask(STATUS_SQL, lambda row: settle(question, row))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                row: Row = await question
                return row
        except TimeoutError:
            self.kill(connection, NO_ANSWER)
            raise unreachable(NO_ANSWER) from None
        finally:
            del self._questions[connection]

    def apply(self, settings: Settings) -> None:
        """What is new in settings holds from now on."""
        self.settings = settings
        self.pool.borrow_timeout = settings.connection_pool.connection_borrow_timeout
        self.limit()

    def limit(self) -> None:
        """The caps, by the settings and the target's own limit; at least one.

        Of the target's limit, what it reserves for superusers is not the pool's.
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
        """End every connection now; whoever borrows one loses it."""
        for connection in list(self.all):
            self.kill(connection, reason)
        for connection in list(self._logins):
            connection.abort()

    def kill(self, connection: DatabaseConnection, reason: str) -> None:
        if connection not in self._owned:
            self.pool.retire(connection)
        connection.reason = reason
        connection.abort()

    @property
    def opening(self) -> list[DatabaseConnection]:
        """The pool's connections that log in."""
        return [one for one in self._logins if one not in self._owned]

    def is_idle(self, connection: DatabaseConnection) -> bool:
        """Whether neither a client nor the proxy uses the connection."""
        if connection in self._owned:
            asked = connection in self._questions
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
        """What time alone brings."""
        self.pool.sweep()
        now = self._loop.time()
        for connection in [c for c, at in self._leaving.items() if at <= now]:
            connection.abort()

    async def stop(self) -> None:
        """Close all; the server gets a few seconds to let go of them."""
        await self._openings.end()
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
            await self._log_in(connection)
            await self._initialise(connection)
        except ClientError as error:
            self.observe(
                events.DatabaseRefused(number, error.text, error.sqlstate, self.name)
            )
            self._refused(key, error)
        else:
            self._retries.pop(key, None)
            connection.opened_at = self.now()
            self.observe(
                events.DatabaseConnected(number, *connection.ends(), self.name)
            )
            self.pool.opened(connection)

    async def _itself(self) -> DatabaseConnection:
        """The proxy's own connection; raises ClientError."""
        if self._own is not None and self._own.phase is Phase.READY:
            return self._own
        target = self.target
        key = target.user.encode(), target.database.encode()
        connection = self._own = self._new(key)
        self._owned.add(connection)
        try:
            await self._log_in(connection)
        except ClientError:
            self._owned.discard(connection)
            raise
        return connection

    async def _initialise(self, connection: DatabaseConnection) -> None:
        """Run the init query; raises ClientError."""
        if not connection.init_query.sql:
            return
        done = self._logins[connection] = self._loop.create_future()
        connection.initialise(lambda error: settle(done, error))
        try:
            await done
        except ClientError:
            connection.close("The init query failed.")
            raise
        finally:
            del self._logins[connection]

    def _refused(self, key: Key, error: ClientError) -> None:
        if error.sqlstate in PASSING_STATES:
            self.lost()
            delay = min(self._retries.get(key, RETRY_FIRST / 2) * 2, RETRY_LAST)
            self._retries[key] = delay
            scaled = jittered(delay) * self.settings.time_scale
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

    async def _log_in(self, connection: DatabaseConnection) -> None:
        """Raises ClientError."""
        login = self._logins[connection] = self._loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._dial(connection)
                await login
            last_words = connection.stream.fatal
            if last_words is not None:
                raise last_words
            if connection.phase is Phase.CLOSED:
                raise connection_failure(connection.reason)
            self.all.add(connection)
        except TimeoutError:
            raise unreachable(NO_ANSWER) from None
        except OSError as error:
            raise unreachable(reason(error)) from None
        finally:
            del self._logins[connection]
            if connection not in self.all:
                connection.abort()

    async def _dial(self, receiver: Receiver) -> None:
        target, path = self.target, self.target.socket_path
        if path is not None:
            await connect_unix(self._loop, receiver, path)
        else:
            await connect(self._loop, receiver, target.host, target.port)

    async def _cancel(
        self,
        connection: DatabaseConnection,
        packet: bytes,
        delivered: Callable[[], None] | None,
    ) -> None:
        """Return when the server has read the request, or connection is ended."""
        request = CancelConnection(packet, self._loop.create_future())
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._dial(request)
                await request.done
        except TimeoutError:
            self.kill(connection, UNREAD_CANCEL)
        except OSError as error:
            log.info("a cancel request did not reach the target: %s", reason(error))
        finally:
            request.abort()
            connection.cancelling -= 1
            if delivered is not None:
                delivered()
            connection.check()

    # What connections report (Owner).

    def object_in_use(self, connection: DatabaseConnection, text: str) -> None:
        for name in {key[1].decode("utf-8", "replace") for key in self.pool.idle}:
            if f'"{name}"' in text:
                idle = self.pool.idle_in(name.encode())
                if idle:
                    number = connection.number
                    self.observe(events.DatabaseInUse(number, name, idle))

    def opened(self, connection: DatabaseConnection) -> None:
        settle(self._logins.get(connection), None)

    def failed(self, connection: DatabaseConnection, error: ClientError) -> None:
        settle(self._logins.get(connection), error)

    def reset_done(self, connection: DatabaseConnection) -> None:
        self.observe(events.DatabaseReset(connection.number))
        self.pool.give_back(connection)

    def closing(self, connection: DatabaseConnection, cancel: bool) -> None:
        if connection not in self._owned:
            self.pool.retire(connection)
        self._leaving[connection] = self._loop.time() + CLOSE_TIMEOUT
        if cancel:
            self.interrupt(connection)

    def closed(self, connection: DatabaseConnection, reason: str) -> None:
        served = connection in self.all
        self.all.discard(connection)
        ended_here = self._leaving.pop(connection, None) is not None
        for waiting in self._logins, self._questions:
            settle(waiting.get(connection), connection_failure(reason))
        if connection in self._owned:
            self._owned.discard(connection)
        elif served:
            self.observe(events.DatabaseClosed(connection.number, reason))
        if not self.all:
            self._all_closed.set()
        self.pool.closed(connection)
        if not ended_here:
            self.lost()


def encryption(target: Target) -> Encryption | None:
    """How the target is reached; raises SettingError. A Unix socket has no TLS."""
    if target.socket_path is not None:
        return None
    context = client(target.sslmode, target.sslrootcert)
    if context is None:
        return None
    return Encryption(context, target.host, required=target.sslmode != "prefer")


def reason(error: OSError) -> str:
    """Why, in a few words: the system's own, where it has some."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
