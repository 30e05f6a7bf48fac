"""A database that breaks the protocol: clients get an error, and the pool recovers."""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinwatch.wire import messages
from pinwatch.wire.messages import message
from tests.stage import (
    AUTHENTICATED,
    READY,
    Client,
    Server,
    Stage,
    complete,
    kinds,
    row,
)
from tests.wireclient import SYNC, bind, close, describe, execute, parse, query

KINDS: Final = bytes(sorted(set(b"12367ACDEGHIKNRSTVWZcdnstvy")))
WORDS: Final = (
    b"",
    b"\0",
    b"I",
    b"T",
    b"TimeZone\0UTC\0",
    b"name\0",
    b"SERROR\0C26000\0Mno\0\0",
    b"SFATAL\0C57P01\0Mover\0\0",
    b"DISCARD ALL\0",
    b"\0\0\0\0",
    b"\0\0\0\x0aSCRAM-SHA-256\0\0",
    b"\0\1\0\0\0\5x",
    b"pinwatch_test_1_0000000000000000",
)
bodies = st.sampled_from(WORDS) | st.binary(max_size=12)
replies = st.builds(message, st.sampled_from(list(KINDS)), bodies)
honest = st.sampled_from([READY, AUTHENTICATED, complete(b"SELECT 1"), row(b"1")])
floods = st.sampled_from([READY * 300, row(b"x" * 1_000) * 100])
streams = st.lists(replies | replies | honest | floods | st.binary(max_size=30))
REQUESTS: Final = (
    query("SELECT 1"),
    parse("s", "SELECT 1") + bind("s") + execute() + SYNC,
    parse("", "SELECT 1") + describe("") + close("s") + SYNC,
    query("COPY t FROM STDIN"),
    query("BEGIN"),
    query("SET work_mem TO '1MB'"),
)

MALFORMED: Final = {
    "ParameterStatus without a value": message(messages.PARAMETER_STATUS, b"TimeZone"),
    "ParameterStatus with three strings": message(
        messages.PARAMETER_STATUS, b"TimeZone\0UTC\0UTC\0"
    ),
    "an empty ReadyForQuery": message(messages.READY_FOR_QUERY, b""),
    "BackendKeyData of two bytes": message(messages.BACKEND_KEY_DATA, b"\0\1"),
    "Authentication of two bytes": message(messages.AUTHENTICATION, b"\0\0"),
}


def serves(stage: Stage) -> bool:
    """Return True if a new client gets the answer of an honest server."""
    stage.on_open = Server.greet
    stage.time += 1_000
    for server in list(stage.servers):
        if not server.wire.closed:
            server.vanish()
    stage.servers.clear()
    client = stage.client()
    for server in stage.servers:
        server.read()
    client.read()
    client.send(query("SELECT 'mine'"))
    server = stage.servers[-1]
    assert query("SELECT 'mine'") in server.read()
    server.send(row(b"mine"), complete(b"SELECT 1"), READY)
    return kinds(client.read()) == "DCZ"


def send(server: Server, part: bytes) -> None:
    """Send a part, unless the proxy has closed the connection."""
    if not server.wire.closed:
        server.send(part)


def end(client: Client, server: Server) -> None:
    """End what is still open."""
    if server.wire.closed:
        server.connection.connection_lost(None)
    if not client.wire.closed:
        client.vanish()


@settings(deadline=None)
@given(streams, st.sampled_from(REQUESTS), st.booleans())
@example([b"S\0\0\0\x0cTimeZone"], REQUESTS[0], False)
@example([b"Z\0\0\0\4"], REQUESTS[0], False)
@example([b"C\0\0\0\4"], REQUESTS[0], True)
def test_any_replies_to_a_request(
    stream: list[bytes], request: bytes, byte_by_byte: bool
) -> None:
    stage = Stage()
    client, server = stage.connected()
    client.send(request)
    for part in stream:
        pieces = [part[at : at + 1] for at in range(len(part))]
        for piece in pieces if byte_by_byte and len(part) < 100 else [part]:
            send(server, piece)
    end(client, server)
    assert serves(stage)


@settings(deadline=None)
@given(streams)
@example([b"S\0\0\0\x0cTimeZone"])
@example([b"R\0\0\0\4"])
@example([AUTHENTICATED, b"K\0\0\0\5x"])
@example([AUTHENTICATED, b"Z\0\0\0\4"])
def test_any_replies_to_a_login(stream: list[bytes]) -> None:
    stage = Stage()
    stage.on_open = lambda server: None
    client = stage.client()
    (server,) = stage.servers
    for part in stream:
        send(server, part)
    if not client.wire.closed:
        client.vanish()
    server.vanish()
    assert serves(stage)


@settings(deadline=None)
@given(streams, st.booleans())
def test_any_replies_to_the_proxys_own_queries(
    stream: list[bytes], resets: bool
) -> None:
    """The queries set the startup parameters, or reset a session that pinned."""
    stage = Stage()
    if resets:
        client, server = stage.connected()
        client.send(query("SET work_mem TO '1MB'"))
        server.send(complete(b"SET"), READY)
        client.vanish()
        assert b"DISCARD ALL" in server.read()
    else:
        client = stage.client(TimeZone=b"UTC")
        (server,) = stage.servers
        assert b"set_config" in server.read()
    for part in stream:
        send(server, part)
    end(client, server)
    assert serves(stage)


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_message_ends_the_database_connection(sent: bytes) -> None:
    stage = Stage()
    client, server = stage.connected()
    client.send(query("SELECT 1"))
    server.send(sent)
    if sent[0] in (messages.BACKEND_KEY_DATA, messages.AUTHENTICATION):
        return
    assert server.wire.closed
    server.connection.connection_lost(None)
    assert kinds(client.read()) == "E"
    assert client.wire.closed
    assert serves(stage)
