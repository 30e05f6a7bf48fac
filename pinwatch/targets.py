"""The target: its database connections, from their opening to their end.

Owns the pool and how it is filled: whom to log in as, what to try again, and what to
tell those who wait when the database refuses. Does not know clients.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pinwatch import events
from pinwatch.config.target import Target
from pinwatch.counters import Counters
from pinwatch.database import CancelConnection, DatabaseConnection, Phase
from pinwatch.errors import (
    ClientError,
    TargetError,
    connection_failure,
    request_error,
)
from pinwatch.introduction import Encryption
from pinwatch.pool import Key, Pool
from pinwatch.responses import Row
from pinwatch.statements import Registry
from pinwatch.tls import client
from pinwatch.wire.messages import cancel_request

log = logging.getLogger("pinwatch")

CONNECT_TIMEOUT: Final = 10.0  # seconds for a connection to be opened and logged in
CLOSE_TIMEOUT: Final = 5.0  # seconds in which the server lets go of a connection
RETRY_FIRST: Final = 0.1  # seconds; doubled at each failure
RETRY_LAST: Final = 5.0
PASSING_STATES: Final = ("53300", "57P03", "08006", "57P01", "57P02")
"""SQLSTATEs of a refusal that may pass: too many connections, starting up, down."""

MAX_CONNECTIONS_SQL: Final = b"""
SELECT current_setting('max_connections'),
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0)
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


class TargetConnections:
    """The connections to one target.

    password gives what to log in with as a user; number an identifier not in use.
    """

    def __init__(
        self,
        target: Target,
        registry: Registry,
        max_statements: int,
        borrow_timeout: float,
        password: Callable[[str], str | None],
        number: Callable[[], int],
        observe: events.Observe,
        counters: Counters,
    ) -> None:
        self.target = target
        self.counters = counters
        self.registry = registry
        self.max_statements = max_statements
        self.password = password
        self.number = number
        self.observe = observe
        self.all: set[DatabaseConnection] = set()
        self._own: set[DatabaseConnection] = set()  # the proxy's, not the pool's
        self._loop = asyncio.get_running_loop()
        self._all_closed = asyncio.Event()
        self._encryption = encryption(target)
        self._tasks = Tasks()
        self._retries: dict[Key, float] = {}  # seconds before the next try
        self._leaving: dict[DatabaseConnection, float] = {}
        self._logins: dict[DatabaseConnection, asyncio.Future[None]] = {}
        self.pool = Pool(1, borrow_timeout, self._open, self._loop.time, counters)

    async def measure(self, percent: int) -> int:
        """How many connections percent of the target's limit allows.

        Less what the target reserves for superusers, and at least one. Raises
        TargetError where the target cannot be used.
        """
        connection = await self._connect()
        answer: asyncio.Future[Row] = self._loop.create_future()
        connection.ask(MAX_CONNECTIONS_SQL, answer.set_result)
        most, reserved = (int(value or 0) for value in await answer)
        connection.close("The proxy has its answer.")
        return max(most * percent // 100 - reserved, 1)

    async def reach(self) -> None:
        """Log in, unless a connection is open; raises TargetError."""
        if not self.pool.borrowed and not any(self.pool.idle.values()):
            connection = await self._connect()
            connection.close("The proxy has reached the target.")

    @property
    def opening(self) -> list[DatabaseConnection]:
        """The pool's connections that log in."""
        return [one for one in self._logins if one not in self._own]

    def cancel(self, connection: DatabaseConnection) -> None:
        """Ask the server to cancel what connection runs."""
        self._tasks.run(self._cancel(connection))

    def sweep(self, now: float) -> None:
        """What time alone brings."""
        self.pool.sweep()
        for connection in [c for c, at in self._leaving.items() if at <= now]:
            connection.abort()

    async def stop(self) -> None:
        """Close all; the server gets a few seconds to let go of them."""
        self._all_closed.clear()
        for connection in list(self.all):
            connection.close("The proxy was stopped.")
        if self.all:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._all_closed.wait()
        for connection in list(self.all):
            connection.abort()
        await self._tasks.end()

    # Opening.

    def _open(self, key: Key) -> None:
        self._tasks.run(self._open_for_pool(key))

    async def _open_for_pool(self, key: Key) -> None:
        connection = self._new(key)
        number, encrypted = connection.number, self._encryption is not None
        self.observe(events.DatabaseConnecting(number, encrypted))
        try:
            await self._log_in(connection)
        except ClientError as error:
            self.observe(events.DatabaseRefused(number, error.text, error.sqlstate))
            self._refused(key, error)
        else:
            self._retries.pop(key, None)
            self.all.add(connection)
            self.observe(events.DatabaseConnected(number, *connection.ends()))
            self.pool.opened(connection)

    def _refused(self, key: Key, error: ClientError) -> None:
        if error.sqlstate in PASSING_STATES:
            delay = min(self._retries.get(key, RETRY_FIRST / 2) * 2, RETRY_LAST)
            self._retries[key] = delay
            self.pool.unavailable(key, delay)
        else:
            self.pool.refused(key, request_error(error.text, error.sqlstate))

    async def _connect(self) -> DatabaseConnection:
        """One for the proxy itself; raises TargetError."""
        target = self.target
        connection = self._new((target.user.encode(), target.database.encode()))
        self._own.add(connection)
        try:
            await self._log_in(connection)
        except ClientError as error:
            self._own.discard(connection)
            raise TargetError(
                f"The target {target.address} cannot be used: {error.text}."
            ) from None
        self.all.add(connection)
        return connection

    def _new(self, key: Key) -> DatabaseConnection:
        return DatabaseConnection(
            self.number(),
            key,
            self.password(key[0].decode("utf-8", "replace")),
            self.registry,
            self.max_statements,
            self,
            self._encryption,
        )

    async def _log_in(self, connection: DatabaseConnection) -> None:
        """Raises ClientError."""
        login = self._logins[connection] = self._loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._dial(connection)
                await login
        except TimeoutError:
            raise connection_failure(
                f"no answer within {CONNECT_TIMEOUT:.0f} seconds"
            ) from None
        except OSError as error:
            raise connection_failure(reason(error)) from None
        finally:
            del self._logins[connection]
            if connection.phase is not Phase.READY:
                connection.abort()

    async def _dial(self, protocol: asyncio.Protocol) -> None:
        target, path = self.target, self.target.socket_path
        if path is not None:
            await self._loop.create_unix_connection(lambda: protocol, path)
        else:
            await self._loop.create_connection(
                lambda: protocol, target.host, target.port
            )

    async def _cancel(self, connection: DatabaseConnection) -> None:
        """Returns when the server has read the request."""
        if connection.backend_key is None:
            return
        request = CancelConnection(cancel_request(*connection.backend_key))
        connection.cancelling += 1
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._dial(request)
                await request.done
        except OSError as error:
            log.info("a cancel request did not reach the target: %s", reason(error))
        finally:
            request.abort()
            connection.cancelling -= 1
            connection.check()

    # What connections report (Owner).

    def opened(self, connection: DatabaseConnection) -> None:
        self._logins[connection].set_result(None)

    def failed(self, connection: DatabaseConnection, error: ClientError) -> None:
        login = self._logins.get(connection)
        if login is not None and not login.done():
            login.set_exception(error)

    def reset_done(self, connection: DatabaseConnection) -> None:
        self.observe(events.DatabaseReset(connection.number))
        self.pool.give_back(connection)

    def closing(self, connection: DatabaseConnection, cancel: bool) -> None:
        self.pool.retire(connection)
        self._leaving[connection] = self._loop.time() + CLOSE_TIMEOUT
        if cancel:
            self.cancel(connection)

    def closed(self, connection: DatabaseConnection, reason: str) -> None:
        self.all.discard(connection)
        if connection in self._own:
            self._own.discard(connection)
        else:
            self.observe(events.DatabaseClosed(connection.number, reason))
        if not self.all:
            self._all_closed.set()
        self._leaving.pop(connection, None)
        self.pool.closed(connection)


def encryption(target: Target) -> Encryption | None:
    """How the target is reached; raises SettingError. A Unix socket has no TLS."""
    if target.socket_path is not None:
        return None
    context = client(target.sslmode, target.sslrootcert)
    if context is None:
        return None
    return Encryption(context, target.host, required=target.sslmode != "prefer")


def reason(error: OSError) -> str:
    """Why, in a few words, without the error's number."""
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
