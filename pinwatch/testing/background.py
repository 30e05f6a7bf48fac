"""A proxy in a background thread of this process, for tests and notebooks.

Owns the thread, and the embedded PostgreSQL where no target is given. The proxy has an
event loop of its own, so that blocking code may be its client. Does not know pytest.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from pinwatch.config.model import Settings
from pinwatch.config.sentence import sentence
from pinwatch.config.target import Target
from pinwatch.errors import PinwatchError, SettingError
from pinwatch.observers import sessions
from pinwatch.proxy import proxy
from pinwatch.sockets.loop import Loop
from pinwatch.testing.recorder import Pin, Recorder

DEFAULTS: Final = {"listen": "127.0.0.1:0", "http": None, "shutdown_grace": 0}
PATIENCE: Final = 60.0  # seconds until a thread that does not stop is given up

T = TypeVar("T")


class Proxy:
    """A proxy at work while its ``with``, or ``async with``, lasts.

    target is the PostgreSQL behind it, as a libpq URL; without one it is an embedded
    PostgreSQL, new and empty. swap hands each transaction another database connection
    than the one before. settings are those of docs/configuration.md. Raises the errors
    of pinwatch.errors on entry. Clients come without a password, as the target's role.
    """

    def __init__(
        self, target: str | None = None, *, swap: bool = False, **settings: Any
    ) -> None:
        self._settings = settings
        self._target_url = target
        self._swap = swap
        self.recorder = Recorder()

    # Starting and stopping.

    def __enter__(self) -> Self:
        __tracebackhide__ = True  # which pytest knows
        try:
            self._start()
        except PinwatchError as error:
            raise error.with_traceback(None) from None
        return self

    def _start(self) -> None:
        with ExitStack() as stack:
            self._target = stack.enter_context(_target(self._target_url))
            folder = stack.enter_context(_folder())
            settings = _settings(DEFAULTS | {"state_folder": folder} | self._settings)
            self._thread = stack.enter_context(
                _Thread(settings, self._target, self.recorder, self._swap)
            )
            self._stack = stack.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._stack.close)

    # Where clients connect.

    @property
    def host(self) -> str:
        return self._thread.proxy.address.host

    @property
    def port(self) -> int:
        return self._thread.proxy.address.port

    @property
    def user(self) -> str:
        return self._target.user

    @property
    def database(self) -> str:
        return self._target.database

    @property
    def dsn(self) -> str:
        """As libpq's keywords and values."""
        values = {
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "dbname": self.database,
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())

    def url(self, driver: str | None = None) -> str:
        """postgresql://, or postgresql+driver:// as SQLAlchemy has it."""
        scheme = "postgresql" if driver is None else f"postgresql+{driver}"
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        return f"{scheme}://{user}@{self._thread.proxy.address}/{database}"

    # What happened.

    @property
    def pins(self) -> list[Pin]:
        """All since the start, in their order; of a pinned session, every one."""
        self.settle()
        return list(self.recorder.pins)

    def sessions(self) -> list[dict[str, Any]]:
        """Every client session that is connected now, as GET /api/sessions tells it."""
        return self._thread.ask(
            lambda: [
                sessions.described(session) for session in self._thread.proxy.sessions
            ]
        )

    def settle(self) -> None:
        """Return when what clients have sent so far has been read."""
        self._thread.settle()

    def release(self) -> None:
        """Close the database connections that no client holds.

        Returns when the server has let go of them, so that a database can be dropped.
        """
        self.settle()
        self._thread.run(self._thread.proxy.release())

    @contextmanager
    def allow(self, *rules: str) -> Iterator[None]:
        """Pins by these rules are allowed while this lasts; raises SettingError."""
        with self.recorder.allow(*rules):
            try:
                yield
            finally:
                self.settle()


class _Thread:
    """The thread, its loop, and the proxy that runs there."""

    def __init__(
        self, settings: Settings, target: Target, recorder: Recorder, swap: bool
    ) -> None:
        self.proxy = proxy.Proxy(settings, target, (recorder,))
        self.proxy.every_pin = True
        self.swap = swap
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="pinwatch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join(PATIENCE)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # of a loop that is closed
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)

    def ask(self, question: Callable[[], T]) -> T:
        """The answer from the loop's thread."""
        answer: Future[T] = Future()

        def give() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:
                answer.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(give)
        except RuntimeError:
            raise PinwatchError("The proxy has stopped.") from None
        return answer.result()

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        """Work for the loop; returns when it is done."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def settle(self) -> None:
        """The loop looks at all its sockets before it comes to a later callback."""
        with suppress(PinwatchError):
            for _ in range(2):
                self.ask(lambda: None)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            await self.proxy.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self.proxy.pool.swap = self.swap
        self._started.set_result(None)
        await self._stop.wait()
        await self.proxy.stop()


def _settings(values: dict[str, Any]) -> Settings:
    """Raises SettingError."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingError(sentence(error)) from None


@contextmanager
def _target(url: str | None) -> Iterator[Target]:
    if url is not None:
        yield Target.parse(url)
        return

    from pinwatch.embedded import embedded_postgresql

    with _folder() as folder, embedded_postgresql(folder, _unreported) as target:
        yield target


@contextmanager
def _folder() -> Iterator[Path]:
    """PostgreSQL's own user has to get there, which pytest's folders do not allow."""
    with TemporaryDirectory(prefix="pinwatch-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _unreported(_sentence: str) -> None:
    pass


def _quoted(value: str) -> str:
    """https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE"""
    if value and not any(c in value for c in " '\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
