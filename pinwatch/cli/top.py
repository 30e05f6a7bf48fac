"""pinwatch top: pinned sessions, digests and the pool, live in a terminal."""

from __future__ import annotations

import signal
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from rich.console import Console, Group

REFRESH_INTERVAL: Final = 1.0  # seconds
MAX_DIGESTS: Final = 100  # more than a terminal has lines for


def top(
    url: Url = DEFAULT_URL,
    token: Token = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame and exit.")
    ] = False,
) -> None:
    """Show pinned sessions, digests and the pool, live. Ctrl-C exits.

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
            sleep(REFRESH_INTERVAL)
            live.update(_frame(side, console, whole=False), refresh=True)


def _interrupted() -> list[int]:
    """Return a list that Ctrl-C fills, in case Python drops the KeyboardInterrupt.

    It is not an Event, whose lock the interrupted code may hold.
    """
    signals: list[int] = []

    def note(number: int, _frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    return signals


def _frame(side: HttpSide, console: Console, whole: bool) -> Group:
    """Build the frame, whole or cut to the terminal's lines; raises SettingError."""
    from pinwatch.cli.frame import Answers, frame

    answers = Answers(
        side.get("/api/pool"),
        side.get("/api/pins?pinned=true"),
        side.get(f"/api/digests?limit={MAX_DIGESTS}"),
    )
    height = None if whole else console.height
    with side.expected():
        return frame(answers, side.url, console.width, height)
