"""Real PostgreSQL servers, and proxies before them, for the tests to connect to.

Owns how they are started, named and stopped. A proxy runs on an event loop of its own
in a thread of its own, so that blocking drivers can be tested against it.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import make_conninfo

from pinwatch import events
from pinwatch.config.model import Settings
from pinwatch.config.target import Target
from pinwatch.proxy.proxy import Proxy
from pinwatch.sockets.loop import Loop
from tests.auth.servers import embedded, postgresql

PATIENCE: Final = 20.0  # seconds until something that has to happen is given up
SETTINGS: Final = (
    "listen_addresses = ''",
    "max_connections = 120",
    "max_prepared_transactions = 4",
    "shared_buffers = 64MB",
    "synchronous_commit = off",
    "full_page_writes = off",
    "wal_level = minimal",
    "max_wal_senders = 0",
    "max_wal_size = 4GB",
    "autovacuum = off",
    "jit = off",
    "timezone = 'UTC'",
    "log_min_messages = fatal",
)

T = TypeVar("T")
_numbers = count(1)


@cache
def state_folder() -> Path:
    """Where this process's proxies keep what they make."""
    folder = TemporaryDirectory(prefix="pinwatch-state-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def eventually(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true value of condition, which is asked until there is one."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} seconds"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where clients connect, as whom; a host that begins with "/" has a Unix socket."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = None

    @property
    def dsn(self) -> str:
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            dbname=self.database,
            password=self.password,
        )

    def url(self, scheme: str = "postgresql") -> str:
        login = quote(self.user)
        if self.password is not None:
            login += f":{quote(self.password, safe='')}"
        where = urlencode({"host": self.host, "port": self.port})
        return f"{scheme}://{login}@/{quote(self.database)}?{where}"

    def environment(self) -> dict[str, str]:
        """For libpq's programs."""
        values = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }
        return (
            values if self.password is None else values | {"PGPASSWORD": self.password}
        )


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server, and the superuser who owns it."""

    server: Endpoint
    any_role: bool
    """Every role gets in without a password."""

    def endpoint(self, database: str) -> Endpoint:
        return replace(self.server, database=database)

    def target(self, database: str = "postgres") -> Target:
        target = Target.parse(self.endpoint(database).url())
        return replace(target, any_role=self.any_role)

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection that does not go through a proxy, in autocommit."""
        return psycopg.connect(self.endpoint(database).dsn, autocommit=True)

    @contextmanager
    def new_database(self) -> Iterator[str]:
        name = f"database_{next(_numbers)}"
        with closing(self.connect()) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            with closing(self.connect()) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def embedded_postgres(version: int) -> Iterator[Postgres]:
    """A new server of the embedded PostgreSQL; durability is off."""
    with postgresql(embedded(version), "local all all trust", *SETTINGS) as folder:
        yield Postgres(
            Endpoint(str(folder), 5432, "postgres", "postgres"), any_role=True
        )


class RunningProxy:
    """A proxy at work, from ``with`` to its end.

    An exception that nobody caught on the proxy's loop fails the test at the end.
    """

    def __init__(self, settings: Settings, postgres: Postgres, database: str) -> None:
        self.settings = settings
        self.postgres = postgres
        self.database = database
        self.events: list[events.Event] = []
        self.faults: list[dict[str, Any]] = []
        self._started: Future[Proxy] = Future()
        self._thread = threading.Thread(target=self._run, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.proxy = self._started.result(PATIENCE)
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the proxy does not stop"
        if error is None:
            assert not self.faults, self.faults

    def stop(self) -> None:
        """Begin to stop it, if it has not stopped, and do not wait."""
        with suppress(RuntimeError):  # of a loop that is closed
            self._loop.call_soon_threadsafe(self._stop.set)

    @property
    def stopped(self) -> bool:
        return not self._thread.is_alive()

    def endpoint(
        self, user: str | None = None, database: str | None = None
    ) -> Endpoint:
        host, port = self.proxy.address
        server = self.postgres.server
        return Endpoint(host, port, user or server.user, database or self.database)

    @property
    def waiting(self) -> int:
        """Clients that wait for a database connection."""
        return len(self.proxy.pool.waiting)

    @property
    def clients(self) -> int:
        """Client connections."""
        return len(self.proxy.sessions)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What work gives, done on the proxy's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def happened(self, kind: type[events.Event]) -> list[events.Event]:
        """What of this kind has happened so far."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, fault: self.faults.append(fault))
        self._stop = asyncio.Event()
        target = self.postgres.target(self.database)
        proxy = Proxy(self.settings, target, (self.events.append,))
        try:
            await proxy.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(proxy)
        await self._stop.wait()
        await proxy.stop()


class Proxies:
    """Starts proxies before one server, for one database."""

    def __init__(self, postgres: Postgres, database: str, stack: ExitStack) -> None:
        self.postgres = postgres
        self.database = database
        self.stack = stack

    def __call__(self, pool: int | None = None, **settings: Any) -> RunningProxy:
        """A new one; pool is how many database connections it may have."""
        defaults = {
            "listen": "127.0.0.1:0",
            "http": None,
            "shutdown_grace": 0,
            "state_folder": state_folder(),
        }
        chosen = Settings(**defaults | {"max_connections": pool} | settings)
        proxy = RunningProxy(chosen, self.postgres, self.database)
        return self.stack.enter_context(proxy)
