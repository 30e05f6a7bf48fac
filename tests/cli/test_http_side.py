"""Commands report what the server at --url answered."""

import socket
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from pinwatch.cli.http_side import MAX_QUOTED, HttpSide
from pinwatch.errors import SettingError
from pinwatch.production.running import time_of
from tests.cli.command import pinwatch

Answer = Callable[[bytes], str]


@pytest.fixture
def answer() -> Iterator[Answer]:
    """Start a server that answers every request with these bytes; return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answers: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    client.recv(65_536)
                    client.sendall(answers[0])

        def begin(content: bytes) -> str:
            answers[:] = [content]
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield begin
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


HTML = b"<html>\n<h1>It works!</h1>"


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (
            http("500 Internal Server Error", b"Internal Server Error"),
            1,
            "{url} answered 500 Internal Server Error: Internal Server Error",
        ),
        (http("502 Bad Gateway"), 1, "{url} answered 502 Bad Gateway."),
        (
            http("503 Service Unavailable", b'{"error": "The database is down."}'),
            1,
            "{url} answered 503 Service Unavailable: The database is down.",
        ),
        (
            http("409 Conflict", b'{"error": "No target named b."}'),
            2,
            "No target named b.",
        ),
        (
            http("404 Not Found", HTML),
            2,
            "--url is {url}, but the server there is not pinwatch: the answer is 404 "
            "Not Found.",
        ),
        (
            http("200 OK", HTML),
            2,
            "--url is {url}, but the server there is not pinwatch: the answer is not "
            "JSON: <html> <h1>It works!</h1>.",
        ),
        (
            http("302 Found", b"", "Location: https://sso.example/login"),
            2,
            "--url is {url}, but the server there is not pinwatch: it redirects to "
            "https://sso.example/login.",
        ),
        (
            http("200 OK", b'{"restart": []}')[:-4],
            1,
            "The answer from {url} was cut off: try again, and check that pinwatch "
            "still runs.",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            2,
            "--url is {url}, but no pinwatch answers there: the server there does not "
            "speak HTTP. pinwatch up starts one.",
        ),
        (
            http("401 Unauthorized", b'{"error": "No."}'),
            2,
            "--url is {url}, which requires its http_token: give it by --token or "
            "PINWATCH_HTTP_TOKEN.",
        ),
        (
            http("500 \x1b[31mRed", "\u202egnikaerb".encode()),
            1,
            "{url} answered 500  [31mRed:  gnikaerb",
        ),
        (
            http("200 OK", b"[" * 100_000),
            2,
            "--url is {url}, but the server there is not pinwatch: the answer is not "
            f"JSON: {'[' * MAX_QUOTED}.",
        ),
        (
            http("404 Not Found", b"[" * 100_000),
            2,
            "--url is {url}, but the server there is not pinwatch: the answer is 404 "
            "Not Found.",
        ),
        (
            http("200 OK", b"{}"),
            2,
            "--url is {url}, but the server there is not pinwatch: its answer is not "
            "one of pinwatch's.",
        ),
    ],
)
def test_the_answer_is_reported(
    answer: Answer, content: bytes, status: int, said: str
) -> None:
    url = answer(content)
    done = pinwatch("reload", "--url", url)
    assert done.stderr == f"pinwatch: {said.format(url=url)}\n"
    assert (done.returncode, done.stdout) == (status, "")


def test_a_check_that_cannot_be_made_is_not_a_failed_check(answer: Answer) -> None:
    url = answer(http("500 Internal Server Error"))
    assert pinwatch("check", "--url", url).returncode == 2


@pytest.mark.parametrize("body", [b"[]", b"{}"])
@pytest.mark.parametrize(
    "command",
    [("failover",), ("fault", "add", "pause"), ("release",), ("top", "--once")],
)
def test_json_of_another_server_is_reported(
    answer: Answer, command: tuple[str, ...], body: bytes
) -> None:
    _is_reported_as_another_servers(answer(http("200 OK", body)), *command)


@pytest.mark.parametrize("command", [("check",), ("fault", "list")])
def test_an_object_is_no_list(answer: Answer, command: tuple[str, ...]) -> None:
    _is_reported_as_another_servers(answer(http("200 OK", b"{}")), *command)


@pytest.mark.parametrize("uptime", [1e20, float("nan"), "1"])
def test_a_time_that_pinwatch_cannot_have(uptime: object) -> None:
    side = HttpSide("http://db", None)
    proxy = {"started_at": "2026-11-30T10:00:00Z", "uptime": uptime}
    with (
        pytest.raises(SettingError, match="http://db, but the server"),
        side.expected(),
    ):
        time_of(proxy)


def _is_reported_as_another_servers(url: str, *command: str) -> None:
    done = pinwatch(*command, "--url", url)
    assert done.stderr == (
        f"pinwatch: --url is {url}, but the server there is not pinwatch: its answer "
        "is not one of pinwatch's.\n"
    )
    assert done.returncode == 2
