"""Real PostgreSQL servers and proxies for the tests to connect to.

Owns their start, their names and their stop. A proxy runs on its own event loop in its
own thread, so that tests can use blocking drivers.
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
    """Return the state folder for the proxies of this process."""
    folder = TemporaryDirectory(prefix="pinwatch-state-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def proxy_settings(**settings: Any) -> Settings:
    """Return settings of a proxy on a free port, without HTTP, that stops at once."""
    defaults = {
        "listen": "127.0.0.1:0",
        "http": None,
        "shutdown_grace": 0,
        "state_folder": state_folder(),
    }
    return Settings(**defaults | settings)


def eventually(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Call condition until it returns a true value, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} seconds"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a login; a host that begins with "/" is a Unix socket's folder."""

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
        """Return the environment variables for libpq's programs."""
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
    """A running server, with its superuser's login."""

    server: Endpoint
    any_role: bool
    """True if every role can log in without a password."""

    def endpoint(self, database: str) -> Endpoint:
        return replace(self.server, database=database)

    def target(self, database: str = "postgres") -> Target:
        target = Target.parse(self.endpoint(database).url())
        return replace(target, any_role=self.any_role)

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Connect without a proxy, in autocommit mode."""
        return psycopg.connect(self.endpoint(database).dsn, autocommit=True)

    @contextmanager
    def new_database(self) -> Iterator[str]:
        name = self.create_database()
        try:
            yield name
        finally:
            self.drop_database(name)

    def create_database(self) -> str:
        name = f"database_{next(_numbers)}"
        with closing(self.connect()) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        with closing(self.connect()) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def embedded_postgres(version: int) -> Iterator[Postgres]:
    """Run a new embedded PostgreSQL with durability switched off."""
    with postgresql(embedded(version), "local all all trust", *SETTINGS) as folder:
        yield Postgres(
            Endpoint(str(folder), 5432, "postgres", "postgres"), any_role=True
        )


class RunningProxy:
    """A proxy that runs in its own thread during a ``with`` block.

    An uncaught exception on the proxy's loop fails the test at the end of the block.
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
            self.stop()
            self._thread.join(PATIENCE)
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
        """Start to stop the proxy, unless it has stopped, without waiting."""
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
        """Number of clients that wait for a database connection."""
        return len(self.proxy.pool.waiting)

    @property
    def clients(self) -> int:
        """Number of client connections."""
        return len(self.proxy.sessions)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work on the proxy's loop; return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def happened(self, kind: type[T]) -> list[T]:
        """Return the events of this type so far."""
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
    """Starts proxies for one server and one database."""

    def __init__(self, postgres: Postgres, database: str, stack: ExitStack) -> None:
        self.postgres = postgres
        self.database = database
        self.stack = stack

    def __call__(self, pool: int | None = None, **settings: Any) -> RunningProxy:
        """Start a proxy with at most pool database connections."""
        chosen = proxy_settings(**{"max_connections": pool} | settings)
        proxy = RunningProxy(chosen, self.postgres, self.database)
        return self.stack.enter_context(proxy)
