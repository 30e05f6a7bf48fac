"""pinwatch fault: what goes wrong in production, made to happen."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url
from pinwatch.errors import SettingError

fault = typer.Typer(
    help="Faults on demand: latency, refused borrows, killed connections, a pause.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


class Kind(StrEnum):
    LATENCY = "latency"
    REFUSE = "refuse"
    KILL = "kill"
    PAUSE = "pause"


KINDS: Final = {
    "seconds": (Kind.LATENCY, Kind.KILL),
    "every": (Kind.REFUSE,),
    "connections": (Kind.KILL,),
}
"""What an option is for."""


@fault.command()
def add(
    kind: Annotated[Kind, typer.Argument(help="What is to go wrong.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it is removed by.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Of latency, how long before each borrow; of kill, how often.",
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of refuse: each N-th borrow."),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of kill: so many, and not all."),
    ] = None,
    lasting: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", help="When it ends by itself."),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Put a fault on.

    [bold]Examples[/bold]

    $ pinwatch fault add latency --seconds 0.5 --for 60

    $ pinwatch fault add refuse --every 10 --name flaky

    $ pinwatch fault add kill --connections 1 --seconds 5

    $ pinwatch fault add pause --for 30
    """
    how = {"seconds": seconds, "every": every, "connections": connections}
    given = {option: value for option, value in how.items() if value is not None}
    _check(kind, given, lasting)
    request = {"kind": kind, "name": name, "lasting": lasting, **given}
    side = HttpSide(url, token)
    with side.expected():
        print(_line(side.ask("POST", "/api/faults", request)))


def _check(kind: Kind, given: Iterable[str], lasting: float | None) -> None:
    """Raises SettingError."""
    for option in given:
        if kind not in KINDS[option]:
            kinds = " and ".join(KINDS[option])
            raise SettingError(f"--{option} is not for {kind}, but for {kinds}.")
    if lasting is not None and not lasting > 0:
        raise SettingError(f"--for is {lasting:g}, but must be greater than 0.")


@fault.command("list")
def list_(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Name the faults that are on."""
    side = HttpSide(url, token)
    with side.expected():
        lines = list(map(_line, side.get("/api/faults")))
    print("\n".join(lines) or "No active faults.")


@fault.command()
def remove(
    name: Annotated[str, typer.Argument(help="Of the fault.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Remove a fault."""
    side = HttpSide(url, token)
    with side.expected():
        print(_line(side.ask("DELETE", f"/api/faults/{quote(name, safe='')}")))


def _line(told: dict[str, Any]) -> str:
    connections, every = told["connections"], told["every"]
    how = {
        "latency": f"{told['seconds']:g} s before each borrow",
        "refuse": "every borrow" if every == 1 else f"one borrow of {every}",
        "kill": f"{connections or 'all'} database connection"
        + ("" if connections == 1 else "s")
        + (f" each {told['seconds']:g} s" if told["seconds"] else ""),
        "pause": "no borrow is served",
    }[told["kind"]]
    times = "once" if told["happened"] == 1 else f"{told['happened']} times"
    left = "" if told["left"] is None else f", {told['left']:.0f} s left"
    return f"{told['name']}: {how}; happened {times}{left}"
