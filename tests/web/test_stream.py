"""/api/pins/stream, read from a real socket."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pinwatch.web.stream import COMMENT, MAX_KEPT, MAX_READERS
from tests.cli.command import pinwatch_up
from tests.harness import PATIENCE, eventually
from tests.pinned import AT, PIN
from tests.site import ask
from tests.web.conftest import Watch

STREAM = "/api/pins/stream"


class Reading:
    def __init__(self, response: HTTPResponse) -> None:
        self.response = response

    def line(self) -> str:
        return self.response.readline().decode()

    def next(self) -> tuple[str, Any]:
        """The next event and its data; comments are passed over."""
        while (line := self.line()).startswith(COMMENT[0]):
            assert self.line() == "\n"
        name, data, end = line, self.line(), self.line()
        assert (name[:7], data[:6], end) == ("event: ", "data: ", "\n"), name
        return name[7:-1], json.loads(data[6:])


@contextmanager
def reading(url: str, receive_buffer: int | None = None) -> Iterator[Reading]:
    """One who is connected, as its first comment tells."""
    host, _, port = url.removeprefix("http://").partition(":")
    with closing(HTTPConnection(host, int(port), PATIENCE)) as connection:
        if receive_buffer is not None:
            connection.sock = socket.socket()
            connection.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer
            )
            connection.sock.connect((host, int(port)))
            connection.sock.settimeout(PATIENCE)
        connection.request("GET", STREAM)
        with connection.getresponse() as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            reader = Reading(response)
            assert reader.line() + reader.line() == COMMENT
            yield reader


def test_a_pin_and_its_end(watch: Watch) -> None:
    watched = watch()
    with reading(watched.url) as reader:
        client = watched()
        client.query("SET a.b = '<script>\n'")
        name, pin = reader.next()
        assert (name, pin["rule"], pin["until"]) == ("pin", "set", None)
        assert pin["sql"] == "SET a.b = '<script>\n'"
        client.leave()
        name, over = reader.next()
        (last,) = watched.get("/api/pins")
    assert (name, over) == ("unpin", last)
    assert over["id"] == pin["id"]


def test_all_who_read_are_told(watch: Watch) -> None:
    watched = watch()
    with reading(watched.url) as one, reading(watched.url) as other:
        watched().query("LISTEN jobs")
        assert one.next()[0] == other.next()[0] == "pin"


def test_a_comment_now_and_then(watch: Watch) -> None:
    with reading(watch(heartbeat=0.01).url) as reader:
        assert reader.line() + reader.line() == COMMENT
        assert reader.line() + reader.line() == COMMENT


def test_one_who_leaves_is_forgotten(watch: Watch) -> None:
    watched = watch()
    with reading(watched.url):
        assert len(watched.feed.readers) == 1
    eventually(lambda: not watched.feed.readers)


def test_one_who_does_not_keep_up_misses_the_oldest(watch: Watch) -> None:
    """Between those that were on their way and the latest there is a gap."""
    watched = watch()
    text = "x" * 100_000
    history, published = watched.feed.history, 2 * MAX_KEPT
    with reading(watched.url, receive_buffer=4_096) as reader:
        for client in range(published):
            pin = replace(PIN, at=AT, client=client, sql=text)
            watched.in_the_loop(partial(history, pin))
        read: list[int] = []
        while (event := reader.next())[0] == "pin":
            read.append(event[1]["id"])
        name, data = event
        rest = [reader.next()[1]["id"] for _ in range(MAX_KEPT)]
    assert name == "missed"
    assert data["events"] > 0
    assert read == list(range(1, len(read) + 1))
    assert rest == list(range(published - MAX_KEPT + 1, published + 1))
    assert len(read) + data["events"] + len(rest) == published


def test_it_ends_well(watch: Watch) -> None:
    watched = watch()
    with reading(watched.url) as reader:
        watched.in_the_loop(watched.feed.close)
        assert reader.response.read() in (b"", COMMENT.encode())
    with reading(watched.url) as too_late:
        assert too_late.response.read() == b""


def test_the_number_of_readers_is_limited(watch: Watch) -> None:
    watched = watch()
    with ExitStack() as stack:
        for _ in range(MAX_READERS):
            stack.enter_context(reading(watched.url))
        answer = watched.get(STREAM, 503)
    assert answer == {"error": f"{MAX_READERS} clients read the stream already."}


def test_pinwatch_up_ends_it_and_stops(target: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pinwatch_up(log, "--target", target) as up:
        with (
            reading(up.greeting["HTTP"]) as reader,
            closing(psycopg.connect(up.url, autocommit=True)) as client,
        ):
            client.execute("LISTEN jobs")
            assert reader.next()[1]["rule"] == "listen"
            up.process.send_signal(signal.SIGTERM)
            assert reader.response.read() in (b"", COMMENT.encode())
        assert up.process.wait() == 0
    assert "graceful" not in log.read_text()


@pytest.mark.parametrize("path", [STREAM, "/api/pins", "/healthz"])
def test_head(watch: Watch, path: str) -> None:
    answer = ask(watch().url + path, method="HEAD")
    assert (answer.status, answer.text) == (200, "")
