"""pinwatch top: targets, faults, the pool and what pins it, live in a terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from rich.console import Console, Group

    from pinwatch.cli.top_frame import Answers
    from pinwatch.cli.top_keys import Keys
    from pinwatch.cli.top_view import View

REFRESH_INTERVAL: Final = 1.0  # seconds
FILE_WIDTH: Final = 160
"""Columns of a frame in a file or a pipe; COLUMNS chooses others."""
MAX_DIGESTS: Final = 100  # more than a terminal has lines for


def top(
    url: Url = DEFAULT_URL,
    token: Token = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame and exit.")
    ] = False,
) -> None:
    """Show targets, faults, the pool, pinned sessions and digests, live.

    Keys: s sorts, f filters, p pauses, up and down select a pin whose fix is shown, h
    helps, q quits.

    [bold]Examples[/bold]

    $ pinwatch top

    $ pinwatch top --url http://pinwatch:9632 --token secret

    $ pinwatch top --once
    """
    screen = Screen(HttpSide(url, token), _console())
    if once or not screen.console.is_terminal:
        screen.console.print(screen.frame(whole=True))
        return
    interrupts = Interrupts()
    with suppress(KeyboardInterrupt, EOFError), _keys() as keys:
        screen.run(keys, interrupts)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    return console


@contextmanager
def _keys() -> Iterator[Keys | None]:
    """Report the keys of standard input; yield None if it is not a terminal."""
    from pinwatch.cli.top_keys import pressed

    if not sys.stdin.isatty():
        yield None
        return
    with pressed(sys.stdin.fileno()) as keys:
        yield keys


class Interrupts:
    """Ctrl-C, SIGTERM and a hang-up, which end a wait at once, but never a drawing.

    An exception inside rich would leave the terminal in the alternate screen. Python
    may drop the KeyboardInterrupt of a wait: ``happened`` is true even then.
    """

    def __init__(self) -> None:
        self.happened = False
        self._waiting = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let an interrupt raise KeyboardInterrupt, also one that came before."""
        self._waiting = True
        try:
            if self.happened:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def _note(self, number: int, frame: object) -> None:
        self.happened = True
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt


class Screen:
    """The answers of a running pinwatch, and how keys have chosen to show them."""

    def __init__(self, side: HttpSide, console: Console) -> None:
        from pinwatch.cli.top_view import View

        self.side = side
        self.console = console
        self.view: View = View()
        self.answers: Answers = self._fetch()

    def run(self, keys: Keys | None, interrupts: Interrupts) -> None:
        """Redraw after each interval and each key, until a key or Ctrl-C ends it."""
        from rich.live import Live

        fetch_at = monotonic() + REFRESH_INTERVAL
        with Live(
            self.frame(), console=self.console, screen=True, auto_refresh=False
        ) as live:
            while not (interrupts.happened or self.view.ended):
                with interrupts.waiting():
                    self._press(keys, fetch_at - monotonic())
                    if monotonic() >= fetch_at:
                        if not self.view.paused:
                            self.answers = self._fetch()
                        fetch_at = monotonic() + REFRESH_INTERVAL
                live.update(self.frame(), refresh=True)

    def _press(self, keys: Keys | None, seconds: float) -> None:
        """Apply the keys that are pressed within this time."""
        if keys is None:
            sleep(max(seconds, 0))
            return
        with self.side.expected():
            for key in keys.wait(seconds):
                self.view = self.view.pressed(key, self.view.pins(self.answers.pins))

    def frame(self, whole: bool = False) -> Group:
        """Build the frame, whole or cut to the terminal; raises SettingError."""
        from pinwatch.cli.top_frame import Size, frame

        size = Size(self.console.width, None if whole else self.console.height)
        view = None if whole else self.view
        with self.side.expected():
            return frame(self.answers, self.side.url, size, view)

    def _fetch(self) -> Answers:
        from pinwatch.cli.top_frame import Answers

        return Answers(
            self.side.get("/api/proxy"),
            self.side.get("/api/pool"),
            self.side.get("/api/targets"),
            self.side.get("/api/faults"),
            self.side.get("/api/pins?pinned=true"),
            self.side.get(f"/api/digests?limit={MAX_DIGESTS}"),
            self.side.get("/api/leaks?limit=1"),
        )
