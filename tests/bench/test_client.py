"""The cheap client, as a dialogue with a server that is a list of bytes."""

from __future__ import annotations

import asyncio
import struct
from typing import cast

import pytest

from bench.client import Client, Refused, copy_data

READY = b"Z\0\0\0\5I"
LOGGED_IN = b"R\0\0\0\x08\0\0\0\0" + READY


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class Wire:
    """A transport that records the bytes of the client and its close."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed


def connected() -> tuple[Client, Wire]:
    client, wire = Client("bench", "postgres"), Wire()
    client.connection_made(cast(asyncio.Transport, wire))
    return client, wire


async def test_it_logs_in_where_no_password_is_asked() -> None:
    client, wire = connected()
    assert wire.sent[4:8] == b"\0\3\0\0"
    assert b"user\0bench\0database\0postgres\0\0" in wire.sent
    client.data_received(LOGGED_IN)
    assert await client.ready() == len(LOGGED_IN)


async def test_a_password_that_is_asked_for_is_refused() -> None:
    client, wire = connected()
    client.data_received(message(b"R", b"\0\0\0\x0a" + b"SCRAM-SHA-256\0\0"))
    client.connection_lost(None)
    assert wire.closed
    with pytest.raises(Refused, match="password"):
        await client.ready()


@pytest.mark.parametrize("size", [1, 2, 5, 7, 1000])
async def test_a_reply_in_pieces_of_any_size_ends_with_ready_for_query(
    size: int,
) -> None:
    client, _ = connected()
    client.data_received(LOGGED_IN)
    client.ask("SELECT 1")
    reply = message(b"D", b"Z\0\0\0\5I" * 9) + message(b"C", b"SELECT 1\0") + READY
    for at in range(0, len(reply) - 1, size):
        assert not client._answer.done() or at > len(reply) - len(READY)
        client.data_received(reply[at : at + size])
    assert await client.ready() == client.bytes_received


async def test_an_error_is_raised_with_its_text() -> None:
    client, _ = connected()
    client.data_received(LOGGED_IN)
    client.ask("SELECT x")
    client.data_received(message(b"E", b"SERROR\0C42703\0\0") + READY)
    with pytest.raises(Refused, match="42703"):
        await client.ready()


async def test_a_server_that_goes_away_is_an_error() -> None:
    client, _ = connected()
    client.connection_lost(None)
    with pytest.raises(Refused, match="closed"):
        await client.ready()


async def test_copy_in_waits_for_the_server_and_for_a_slow_wire() -> None:
    client, wire = connected()
    client.data_received(LOGGED_IN)
    rows = [copy_data(b"1\n"), copy_data(b"2\n")]
    copying = asyncio.ensure_future(client.copy_in("COPY t FROM STDIN", rows))
    await asyncio.sleep(0)
    assert rows[0] not in wire.sent
    client.pause_writing()
    client.data_received(message(b"G", b"\0\0\0"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert rows[0] in wire.sent
    assert rows[1] not in wire.sent
    client.resume_writing()
    for _ in range(3):
        await asyncio.sleep(0)
    assert wire.sent.endswith(rows[1] + b"c\0\0\0\4")
    client.data_received(message(b"C", b"COPY 2\0") + READY)
    await copying
    client.close()
    assert wire.closed
