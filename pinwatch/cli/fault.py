"""pinwatch fault: inject the faults that happen in production."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url
from pinwatch.errors import SettingError
from pinwatch.text import printable

fault = typer.Typer(
    help="Inject faults: latency, refused borrows, killed connections, a pause.",
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
"""The kinds of fault that an option applies to."""


@fault.command()
def add(
    kind: Annotated[Kind, typer.Argument(help="Kind of fault.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name to remove it by.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="latency: delay before each borrow. kill: time between two kills.",
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="refuse: every N-th borrow."),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="kill: N connections, not all."),
    ] = None,
    lasting: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", help="Remove it after this time."),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Add a fault.

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
            raise SettingError(f"--{option} does not apply to {kind}, only to {kinds}.")
    if lasting is not None and not lasting > 0:
        raise SettingError(f"--for is {lasting:g}, but must be greater than 0.")


@fault.command("list")
def list_(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List the active faults.

    [bold]Example[/bold]

    $ pinwatch fault list
    """
    side = HttpSide(url, token)
    with side.expected():
        lines = list(map(_line, side.get_list("/api/faults")))
    print("\n".join(lines) or "No active faults.")


@fault.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of the fault.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Remove a fault.

    [bold]Example[/bold]

    $ pinwatch fault remove flaky
    """
    side = HttpSide(url, token)
    with side.expected():
        print(_line(side.ask("DELETE", f"/api/faults/{quote(name, safe='')}")))


def _line(fault: dict[str, Any]) -> str:
    times = "once" if fault["happened"] == 1 else f"{fault['happened']} times"
    left = "" if fault["left"] is None else f", {fault['left']:.0f} s left"
    return printable(f"{fault['name']}: {fault['meaning']}; happened {times}{left}")
