"""The relay forwards the same bytes however a stream is cut into chunks."""

from dataclasses import dataclass
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinwatch.relay.client_messages import MAX_STATEMENT
from pinwatch.relay.database_stream import MAX_INSPECTED
from pinwatch.wire import messages
from pinwatch.wire.messages import message
from tests.model import Backend
from tests.stage import (
    IN_TRANSACTION,
    READY,
    Stage,
    complete,
    kinds,
    row,
)
from tests.wireclient import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    call,
    close,
    close_portal,
    copy_data,
    copy_fail,
    describe,
    describe_portal,
    execute,
    parse,
    query,
)

NOTICE: Final = message(messages.NOTICE_RESPONSE, b"SNOTICE\0MZ\0\0\0\5I\0\0")
NOTIFICATION: Final = message(messages.NOTIFICATION_RESPONSE, b"\0\0\0\1jobs\0Z\0")
STATUS: Final = messages.parameter_status(b"in_hot_standby", b"on")
COPY: Final = "COPY t FROM STDIN"

REQUESTS: Final = [
    query("SELECT 1"),
    query(""),
    query("SELECT 1; SELECT 2"),
    query("BEGIN"),
    query("ROLLBACK"),
    query(COPY) + copy_data(b"1\n" * 30) + COPY_DONE,
    query(COPY) + copy_data(b"bad\n") + copy_data(b"1\n") + copy_fail("no"),
    call(2026),
    SYNC,
    FLUSH,
    parse("s", "SELECT 1") + describe("s") + SYNC,
    parse("", "SELECT 1") + bind("") + describe_portal() + execute() + SYNC,
    bind("s", portal="p") + execute("p") + close_portal("p") + SYNC,
    bind("s") + execute() + bind("nobody") + execute() + SYNC,
    close("s") + parse("s", "SELECT nope") + bind("s") + SYNC,
    parse("name" * 50, "SELECT 1") + close("name" * 50) + SYNC,
]
PINNING: Final = [
    query(f"SELECT {'1' * MAX_STATEMENT}"),
    parse("", f"SELECT {'1' * MAX_STATEMENT}") + bind("") + execute() + SYNC,
    parse("s", f"SELECT {'1' * MAX_STATEMENT}") + SYNC,
    query(f"SELECT '{'1' * 10_000}'; SET work_mem = '1MB'"),
    query("SELECT set_config('work_mem', '1MB', false)"),
]

LARGE: Final = [
    parse("s", "SELECT 1") + bind("s", "x" * 100_000) + execute() + SYNC,
    parse("", "SELECT 1") + bind("", "x" * 70_000, portal="p") + execute("p") + SYNC,
    query(COPY) + copy_data(b"1\n" * 50_000) + COPY_DONE,
    query(f"SELECT {'1' * (MAX_STATEMENT - 7)}"),
    parse("s", f"SELECT {'1' * (MAX_STATEMENT - 7)}") + close("s") + SYNC,
    parse("s" * 8000, "SELECT 1") + close("s" * 8000) + SYNC,
    message(messages.FUNCTION_CALL, b"x" * 100_000),
]
REPLIES: Final = [
    row(READY),
    row(b"1", b"x" * 300),
    row(),
    complete(b"SELECT 1"),
    complete(b"CREATE TABLE"),
    message(messages.EMPTY_QUERY_RESPONSE, b""),
    NOTICE,
    NOTIFICATION,
    STATUS,
    message(messages.PARSE_COMPLETE, b""),
    messages.error_response("ERROR", "22012", "division by zero"),
]
LARGE_REPLIES: Final = [
    row(b"x" * (MAX_INSPECTED + 10)),
    row(READY * 20_000),
    messages.error_response("ERROR", "22012", "x" * (MAX_INSPECTED - 30)),
    messages.error_response("ERROR", "22012", "x" * (MAX_INSPECTED + 10)),
    NOTICE,
    message(messages.NOTICE_RESPONSE, b"M" + b"x" * MAX_INSPECTED + b"\0\0"),
]


@dataclass
class Outcome:
    """The bytes that left the proxy while a client sent a stream."""

    to_client: bytes
    to_server: bytes
    released: bool


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut the stream into chunks of these sizes, repeated; no sizes mean no cut."""
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)] if sizes else len(stream)
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    return chunks


def through(sent: bytes, up: list[int], down: list[int]) -> Outcome:
    """Send a stream in chunks of sizes up, and the replies in chunks of sizes down."""
    client, server = Stage(max_statements=2).connected()
    backend = Backend()
    arrived = b""
    for chunk in cut(sent, up):
        client.send(chunk)
    while data := server.read():
        arrived += data
        backend.feed(data)
        for chunk in cut(backend.read(), down):
            server.send(chunk)
    return Outcome(client.read(), arrived, server.connection.session is None)


sizes = st.lists(st.integers(1, 9) | st.integers(1, 2000), max_size=6)
large_sizes = st.lists(
    st.integers(100, 9000) | st.integers(60_000, 70_000), min_size=1, max_size=6
)
requests = st.lists(st.sampled_from(REQUESTS), max_size=6).map(b"".join)
large_requests = st.lists(st.sampled_from(LARGE), min_size=1, max_size=3).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(requests, sizes)
def test_client_messages_in_any_chunks(sent: bytes, up: list[int]) -> None:
    assert through(sent, up, []) == through(sent, [], [])


@settings(max_examples=150, deadline=None)
@given(requests, sizes, sizes)
def test_a_session_in_any_chunks(sent: bytes, up: list[int], down: list[int]) -> None:
    """The replies are the same, although the messages to the server may differ."""
    alone = Backend()
    alone.feed(sent)
    assert through(sent, up, down).to_client == alone.output


@settings(max_examples=50, deadline=None)
@given(large_requests, large_sizes, large_sizes)
def test_large_messages_in_any_chunks(
    sent: bytes, up: list[int], down: list[int]
) -> None:
    assert through(sent, up, []) == through(sent, [], [])
    alone = Backend()
    alone.feed(sent)
    assert through(sent, up, down).to_client == alone.output


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PINNING), large_sizes, st.booleans())
def test_statements_that_pin_in_any_chunks(
    sent: bytes, up: list[int], in_transaction: bool
) -> None:
    shown = []
    for sizes in ([], up):
        client, server = Stage(max_statements=2).connected()
        if in_transaction:
            client.send(query("BEGIN"))
            server.send(complete(b"BEGIN"), IN_TRANSACTION)
            server.read()
        for chunk in cut(sent, sizes):
            client.send(chunk)
        assert server.read() == sent
        event = client.session.pinning.event
        assert event is not None
        shown.append((event.rule, event.sql[:2000]))
    assert shown[0] == shown[1]


def passes(replies: list[bytes], down: list[int]) -> None:
    """Check that replies arrive unchanged, and only the last one frees the server."""
    client, server = Stage(max_statements=2).connected()
    client.send(query("SELECT 1"))
    sent = b"".join([*replies, complete(b"SELECT 1"), READY])
    for chunk in cut(sent, down):
        assert server.connection.session is client.session
        server.send(chunk)
    assert client.read() == sent
    assert server.connection.session is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(REPLIES), max_size=8), sizes)
def test_a_reply_in_any_chunks(replies: list[bytes], down: list[int]) -> None:
    passes(replies, down)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(LARGE_REPLIES), max_size=3), large_sizes)
def test_a_large_reply_in_any_chunks(replies: list[bytes], down: list[int]) -> None:
    passes(replies, down)


def is_swallowed(own: bytes, down: list[int]) -> None:
    """Check that a client receives no reply to the proxy's own messages."""
    stage = Stage()
    for zone in (b"UTC", b"CET"):
        stage.client(TimeZone=zone)
        (server,) = stage.servers
        server.send(row(zone), complete(b"SELECT 1"), READY)
    client = stage.client(TimeZone=b"UTC")
    client.read(), server.read()
    client.send(query("SELECT 1"))
    assert kinds(server.read()) == "QQ"
    answer = row(b"1") + complete(b"SELECT 1") + READY
    for chunk in cut(own + READY + answer, down):
        server.send(chunk)
    assert client.read() == answer
    assert server.connection.session is None


@settings(max_examples=50, deadline=None)
@given(sizes)
@example([1])
def test_replies_to_the_proxy_are_swallowed_in_any_chunks(down: list[int]) -> None:
    is_swallowed(row(b"UTC") + complete(b"SELECT 1") + NOTICE, down)


@settings(max_examples=20, deadline=None)
@given(large_sizes)
def test_large_replies_to_the_proxy_in_any_chunks(down: list[int]) -> None:
    notice = message(messages.NOTICE_RESPONSE, b"M" + READY * 20_000 + b"\0\0")
    is_swallowed(row(b"UTC") + notice, down)
