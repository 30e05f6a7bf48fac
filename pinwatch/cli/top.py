"""pinwatch top: who pins, and what the pool is doing, in a terminal."""

from __future__ import annotations

import signal
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from rich.console import Console, Group

REFRESH: Final = 1.0  # seconds
DIGESTS: Final = 100  # as many as a terminal may have lines for


def top(
    url: Url = DEFAULT_URL,
    token: Token = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame and exit.")
    ] = False,
) -> None:
    """Show who pins, and what the pool is doing. Ctrl-C ends it.

    [bold]Examples[/bold]

    $ pinwatch top

    $ pinwatch top --url http://pinwatch:9632 --token secret

    $ pinwatch top --once
    """
    from rich.console import Console
    from rich.live import Live

    side, console = HttpSide(url, token), Console()
    shown = _frame(side, console, whole=once)
    if once or not console.is_terminal:
        console.print(shown)
        return
    interrupted = _interrupted()
    with (
        suppress(KeyboardInterrupt),
        Live(shown, console=console, screen=True, auto_refresh=False) as live,
    ):
        while not interrupted:
            sleep(REFRESH)
            live.update(_frame(side, console, whole=False), refresh=True)


def _interrupted() -> list[int]:
    """Filled by Ctrl-C, which raises as well, where Python does not drop that.

    A list and no Event, whose lock the handler might find taken by what it interrupts.
    """
    signals: list[int] = []

    def note(number: int, _frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    return signals


def _frame(side: HttpSide, console: Console, whole: bool) -> Group:
    """All of it, or what the terminal's lines have room for; raises SettingError."""
    from pinwatch.cli.frame import Answers, frame

    answers = Answers(
        side.get("/api/pool"),
        side.get("/api/pins?pinned=true"),
        side.get(f"/api/digests?limit={DIGESTS}"),
    )
    height = None if whole else console.height
    with side.expected():
        return frame(answers, side.url, console.width, height)
