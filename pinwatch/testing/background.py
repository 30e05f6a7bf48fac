"""A proxy in a background thread of this process, for tests and notebooks.

Owns the thread, and without a target the embedded PostgreSQL. The proxy has its own
event loop, so that blocking code can be its client. Does not know pytest.
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
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.recorder import Recorder

DEFAULTS: Final = {
    "hidden_state": "report",
    "http": None,
    "listen": "127.0.0.1:0",
    "shutdown_grace": 0,
}
JOIN_TIMEOUT: Final = 60.0  # seconds for the thread to stop

T = TypeVar("T")


class Proxy:
    """A proxy that runs within its ``with`` or ``async with`` block.

    ``target`` is the PostgreSQL behind it, as a libpq URL; without one it is a new,
    empty embedded PostgreSQL. ``swap`` gives each transaction another database
    connection than the one before. ``settings`` are those of docs/configuration.md.
    Entering raises the errors of pinwatch.errors. Clients log in as the target's role,
    without a password.
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
        __tracebackhide__ = True  # pytest leaves this frame out
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
        """The connection string in libpq's keyword/value form."""
        values = {
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "dbname": self.database,
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())

    def url(self, driver: str | None = None) -> str:
        """Return a postgresql:// URL, or postgresql+driver:// as SQLAlchemy takes."""
        scheme = "postgresql" if driver is None else f"postgresql+{driver}"
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        return f"{scheme}://{user}@{self._thread.proxy.address}/{database}"

    # What happened.

    @property
    def pins(self) -> list[Pin]:
        """All pins since the start, in order, also those of already pinned sessions."""
        return [found for found in self.found if isinstance(found, Pin)]

    @property
    def leaks(self) -> list[Leak]:
        """All leaks of hidden state since the start, in order.

        Empty if the setting hidden_state is off.
        """
        return [found for found in self.found if isinstance(found, Leak)]

    @property
    def found(self) -> list[Found]:
        """All pins and leaks since the start, in order."""
        self.settle()
        return list(self.recorder.found)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the connected client sessions, as GET /api/sessions does."""
        return self._thread.ask(
            lambda: [
                sessions.described(session) for session in self._thread.proxy.sessions
            ]
        )

    def settle(self) -> None:
        """Wait until the proxy has read everything that clients have sent so far.

        Also wait until it probes no database connection for hidden state.
        """
        self._thread.settle()

    def reset_leaks(self) -> None:
        """Discard the hidden state of the database connections that no client uses.

        A state that stays on its connection is reported once. After this, the same
        state is reported again.
        """
        self.settle()
        with suppress(PinwatchError):  # it has stopped, and its connections are closed
            self._thread.ask(self._thread.proxy.reset_leaks)

    def release(self) -> None:
        """Close the database connections that no client has borrowed.

        Returns once the server has closed them too, so that a database can be dropped.
        """
        self.settle()
        self._thread.run(self._thread.proxy.release())

    @contextmanager
    def allow(self, *rules: str) -> Iterator[None]:
        """Allow pins by these rules within the block; raises SettingError.

        The rule hidden_state allows leaks of the statements within the block.
        """
        with self.recorder.allow(*rules):
            try:
                yield
            finally:
                self.settle()


class _Thread:
    """The background thread, its event loop, and the proxy that runs in it."""

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
            self._thread.join(JOIN_TIMEOUT)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(JOIN_TIMEOUT)

    def ask(self, question: Callable[[], T]) -> T:
        """Call the function on the loop's thread and return its result."""
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
        """Run a coroutine on the loop and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def settle(self) -> None:
        """Wait for two turns of the loop, and for the probes that began in them.

        Each turn reads all sockets that are ready.
        """
        with suppress(PinwatchError):
            self.ask(lambda: None)
            if self.ask(self.proxy.is_probing):
                self.run(self.proxy.probes_done())

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
    """Check the settings; raises SettingError."""
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
    """Create a folder that PostgreSQL's user can enter, unlike pytest's tmp_path."""
    with TemporaryDirectory(prefix="pinwatch-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _unreported(_sentence: str) -> None:
    pass


def _quoted(value: str) -> str:
    """Quote a value of a connection string.

    https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    """
    if value and not any(c in value for c in " '\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
