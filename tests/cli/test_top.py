"""pinwatch top, of a pinwatch that a person started, in a terminal and without one."""

import os
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import psycopg
import pytest

from pinwatch import __version__
from pinwatch.cli.top_frame import bar
from pinwatch.text import duration
from tests.cli.command import PINWATCH, Up, environment, pinwatch, pinwatch_up
from tests.harness import PATIENCE, Postgres, eventually

TOKEN = "a secret"


@pytest.fixture
def up(postgres: Postgres, database: str, tmp_path: Path) -> Iterator[Up]:
    arguments = "--target", postgres.endpoint(database).url(), "--max-connections", "8"
    with pinwatch_up(
        tmp_path / "log", *arguments, PINWATCH_HTTP_TOKEN=TOKEN
    ) as running:
        yield running


class Clients:
    def __init__(self, up: Up, stack: ExitStack) -> None:
        self.up = up
        self.stack = stack

    def __call__(self, sql: str, application_name: str = "shop") -> None:
        """A new one, that ran this and stays."""
        client = psycopg.connect(
            self.up.url, autocommit=True, application_name=application_name
        )
        self.stack.enter_context(closing(client))
        for statement in sql.split(";"):
            client.execute(statement.encode())


@pytest.fixture
def clients(up: Up) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(up, stack)


def once(up: Up, **variables: str) -> list[str]:
    """The lines of a frame."""
    shown = pinwatch(
        *("top", "--once", "--url", up.greeting["HTTP"], "--token", TOKEN), **variables
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    return [line.rstrip() for line in shown.stdout.splitlines()]


def rows(lines: list[str], title: str) -> list[list[str]]:
    """Return the cells, separated by two spaces, of the table below this title."""
    below = lines[lines.index(title) + 2 :]
    table = below[: below.index("")] if "" in below else below
    return [[cell.strip() for cell in row.split("  ") if cell] for row in table]


def test_frames(up: Up, clients: Clients, database: str) -> None:
    lines = once(up)
    assert lines[2] == "········"
    assert "Fix: " not in "".join(lines)
    assert rows(lines, "Pinned: 0") == rows(lines, "Digests by pinned time") == []
    clients("LISTEN\n  jobs; LOAD 'plpgsql'")
    clients("SET a.b = 1", application_name="cron")
    clients("BEGIN")
    clients("SELECT 1")
    lines = once(up)
    assert re.fullmatch(
        rf"pinwatch {__version__}  {up.greeting['HTTP']}  "
        r"proxy pinwatch, profile rds-2023-11, up [0-9.]+ (s|min), 0 failovers",
        lines[0],
    )
    assert lines[1] == (
        "4 clients, 0 waiting   4 of 8 database connections   "
        "█ pinned 2   ▓ in transaction 1   ░ idle 1"
    )
    assert lines[2] == "██▓░····"
    assert re.fullmatch(r"target default  writer  \S+  AVAILABLE", lines[3])
    assert re.fullmatch(r"endpoints default 127\.0\.0\.1:[0-9]+", lines[4])
    pinned = rows(lines, "Pinned: 2")
    assert [row[1:] for row in pinned] == [
        ["listen", "postgres", database, "shop", "LISTEN jobs"],
        ["set", "postgres", database, "cron", "SET a.b = 1"],
        ["load", "later", "postgres", database, "shop", "LOAD 'plpgsql'"],
    ]
    digests = rows(lines, "Digests by pinned time")
    assert [row[1:] for row in digests] == [
        ["1", "1", "listen", "listen jobs"],
        ["1", "1", "load", "later", "load 'plpgsql'"],
        ["1", "1", "set", "set a.b = $1"],
    ]
    clients(f"SET a.b = '\x1b[2J\x07[red]{'x' * 200}'")
    lines = once(up, COLUMNS="100")
    assert max(map(len, lines)) == 100
    cut = rows(lines, "Pinned: 3")[2][-1]
    assert cut.startswith("SET a.b = ' [2J [red]xxx")
    assert cut.endswith("…")
    assert not {"\x1b", "\x07"} & set("".join(lines))


def test_an_outage_and_a_fault_are_shown(up: Up) -> None:
    site = ("--url", up.greeting["HTTP"], "--token", TOKEN)
    assert pinwatch("fault", "add", "refuse", "--name", "flaky", *site).returncode == 0
    lines = once(up)
    (at,) = [n for n, line in enumerate(lines) if line.startswith("target default")]
    assert lines[at].endswith("  UNAVAILABLE")
    assert re.match(r"  [A-Z_]+: \S", lines[at + 1])
    assert "fault flaky: every borrow; happened 0 times" in lines
    assert pinwatch("fault", "remove", "flaky", *site).returncode == 0
    assert pinwatch("failover", "--outage", "0.1", *site).returncode == 0
    assert once(up)[0].endswith(", 1 failover")


class Terminal:
    """A pinwatch top in a terminal; its output is what a person saw and sees."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.descriptor = descriptor
        self.written = bytearray()

    def press(self, keys: str) -> None:
        """Send keys; what was written before is forgotten."""
        self.written.clear()
        os.write(self.descriptor, keys.encode())

    def shows(self, text: str) -> None:
        eventually(lambda: text.encode() in self.written)

    def ends_with(self, text: str) -> None:
        """Wait until this is the last output."""
        eventually(lambda: self.written.rstrip().endswith(text.encode()))

    def hides(self, text: str) -> None:
        """Wait for two more frames, the latter without this text."""
        self.written.clear()
        eventually(lambda: self.written.count(HOME) >= 2)
        frames = bytes(self.written).split(HOME)
        assert text.encode() not in frames[1]


HOME: Final = b"\x1b[H"
"""The codes at the beginning of a frame."""


@contextmanager
def terminal(
    *arguments: str, lines: int = 40, program: Sequence[str] = PINWATCH
) -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*program, "top", *arguments],
        env=environment(
            PINWATCH_HTTP_TOKEN=TOKEN, TERM="xterm", COLUMNS="120", LINES=str(lines)
        ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        shown = Terminal(process, ours)

        def read() -> None:
            with suppress(OSError):  # when the other end is closed
                while data := os.read(ours, 65_536):
                    shown.written.extend(data)

        reader = Thread(target=read)
        reader.start()
        try:
            yield shown
        finally:
            process.kill()
            os.close(theirs)
            reader.join(PATIENCE)
            assert not reader.is_alive(), "a process still has the terminal"
            os.close(ours)


def test_in_a_terminal_it_goes_on(up: Up, clients: Clients) -> None:
    """The frame has as many rows as the terminal has lines for."""
    with terminal("--url", up.greeting["HTTP"], lines=15) as shown:
        shown.shows("Pinned: 0")
        for number in range(5):
            clients(f"LISTEN jobs{number}")
        shown.shows("Pinned: 5")
        shown.shows("LISTEN jobs1")
        assert b"LISTEN jobs4" not in shown.written
        begun = bytes(shown.written)
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(PATIENCE) == 0
        assert b"\x1b[?1049h" in begun  # a screen of its own, and back
        shown.ends_with("\x1b[?1049l")


def test_keys_sort_filter_and_select(up: Up, clients: Clients) -> None:
    clients("LISTEN jobs", application_name="worker")
    clients("SET a.b = 1", application_name="cron")
    with terminal("--url", up.greeting["HTTP"]) as shown:
        shown.shows("▶ ")
        shown.shows("listen: LISTEN jobs")
        shown.shows("Fix: Listen on")
        shown.press("j")
        shown.shows("set: SET a.b = 1")
        shown.press("\x1b[A")
        shown.shows("listen: LISTEN jobs")
        shown.press("s")
        shown.shows("Pinned: 2, by latest first")
        shown.press("fcron")
        shown.shows("filter: cron_")
        shown.hides("LISTEN jobs")
        shown.press("\r")
        shown.shows('Pinned: 2, by latest first, filter "cron"')
        shown.press("\x1b")
        shown.shows("LISTEN jobs")


def test_keys_pause_help_and_quit(up: Up, clients: Clients) -> None:
    with terminal("--url", up.greeting["HTTP"]) as shown:
        shown.shows("h help")
        shown.press("?")
        shown.shows("select a pin, whose fix is shown")
        shown.press("x")
        shown.shows("Pinned: 0")
        shown.press("p")
        shown.shows("PAUSED, p goes on")
        clients("LISTEN jobs")
        shown.hides("LISTEN jobs")
        shown.press("p")
        shown.shows("LISTEN jobs")
        mode = termios.tcgetattr(shown.descriptor)[3]
        assert not mode & termios.ECHO
        shown.press("q")
        assert shown.process.wait(PATIENCE) == 0
        mode = termios.tcgetattr(shown.descriptor)[3]
        assert mode & termios.ECHO
        assert mode & termios.ICANON


def test_a_termination_leaves_the_terminal_as_it_was(up: Up) -> None:
    with terminal("--url", up.greeting["HTTP"]) as shown:
        shown.shows("Pinned: 0")
        assert not termios.tcgetattr(shown.descriptor)[3] & termios.ECHO
        shown.process.terminate()
        assert shown.process.wait(PATIENCE) == 0
        assert termios.tcgetattr(shown.descriptor)[3] & termios.ECHO
        shown.ends_with("\x1b[?1049l")


def test_without_keys_it_goes_on(up: Up) -> None:
    """Standard input may be no terminal."""
    shell = ["sh", "-c", 'exec "$0" "$@" < /dev/null', *PINWATCH]
    with terminal("--url", up.greeting["HTTP"], program=shell) as shown:
        shown.shows("Pinned: 0")
        shown.hides("never")
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(PATIENCE) == 0


SWALLOWING: Final = """
import signal
from pinwatch.cli import main, top_frame

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def interrupted(*arguments, drawn=top_frame.frame):
    Dying()
    return drawn(*arguments)

top_frame.frame = interrupted
main()
"""


DRAWING: Final = """
import signal
from rich.console import Console
from pinwatch.cli import main

def interrupted(console, leave=Console._exit_buffer):
    signal.raise_signal(signal.SIGTERM)
    leave(console)

Console._exit_buffer = interrupted
main()
"""


@pytest.mark.parametrize("code", [SWALLOWING, DRAWING], ids=["swallowing", "drawing"])
def test_an_interrupt_at_any_time_leaves_the_alternate_screen(
    up: Up, code: str
) -> None:
    program = [sys.executable, "-c", code]
    with terminal("--url", up.greeting["HTTP"], program=program) as shown:
        assert shown.process.wait(PATIENCE) == 0
        shown.ends_with("\x1b[?1049l")


def test_a_pinwatch_that_goes_away(up: Up) -> None:
    url = up.greeting["HTTP"]
    without_token = pinwatch("top", "--url", url)
    assert without_token.returncode == 2
    assert "requires its http_token" in without_token.stderr
    with terminal("--url", url) as shown:
        shown.shows("Pinned: 0")
        assert up.stop() == 0
        assert shown.process.wait(PATIENCE) == 2
        shown.shows("but no pinwatch answers there")
    assert b"Traceback" not in shown.written


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("127.0.0.1:1", "Connection refused"),
        ("a b", "it is not a URL"),
    ],
)
def test_where_no_pinwatch_is(url: str, reason: str) -> None:
    ended = pinwatch("top", "--url", url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"pinwatch: --url is {url}, but no pinwatch answers there: {reason}. "
        "pinwatch up starts one.\n"
    )


def test_a_server_without_http() -> None:
    """A server of another protocol may be the port of clients."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = "127.0.0.1:{1}".format(*listening.getsockname())
        answering = Thread(target=_answer_in_another_protocol, args=(listening,))
        answering.start()
        ended = pinwatch("top", "--url", url)
        answering.join()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"pinwatch: --url is {url}, but no pinwatch answers there: the server "
        "there does not speak HTTP. pinwatch up starts one.\n"
    )


def _answer_in_another_protocol(listening: socket.socket) -> None:
    with listening.accept()[0] as client:
        client.recv(4096)
        client.sendall(b"E\0\0\0\x0eSFATAL\0\0\n")


@pytest.mark.parametrize("answer", [b"{}", b"null"])
def test_where_something_else_is(answer: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ended = pinwatch("top", "--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert ended.returncode == 2
    assert ended.stderr.endswith("its answer is not one of pinwatch's.\n")


@pytest.mark.parametrize(
    ("most", "states", "drawn"),
    [
        (4, ["idle", "pinned"], "█░··"),
        (20, ["idle"] * 10 + ["pinned"] * 10, "█████░░░░░"),
        (1_000, ["pinned"], "█·········"),
        (10, ["opening", "closing", "borrowed"], "▒+-·······"),
        (1, ["closing", "borrowed", "borrowed"], "▒▒-"),
    ],
)
def test_the_bar(most: int, states: list[str], drawn: str) -> None:
    connections = [{"state": state} for state in states]
    pool = {"max_connections": most, "connections": connections}
    assert bar(pool, 10).plain == drawn


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
