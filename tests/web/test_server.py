import asyncio
import json
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final
from urllib.request import urlopen

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pinwatch.config.model import Address
from pinwatch.errors import ListenError
from pinwatch.web.connection import Limits
from pinwatch.web.health import healthz_route
from pinwatch.web.server import serving
from tests.descriptors import no_descriptors_left
from tests.harness import PATIENCE

Reader = asyncio.StreamReader  # noqa: TID251 - a client's
Streams = tuple[Reader, asyncio.StreamWriter]
ANY_PORT = Address("127.0.0.1", 0)


SITE = Starlette(routes=[healthz_route()])


async def get(address: Address, path: str) -> tuple[int, object]:
    def fetch() -> tuple[int, object]:
        with urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)

    return await asyncio.to_thread(fetch)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_it_is_well_where_it_says_it_listens(host: str) -> None:
    async with serving(SITE, Address(host, 0)) as address:
        assert await get(address, "/healthz") == (200, {"status": "ok"})


async def test_there_is_no_tls() -> None:
    async with serving(SITE, ANY_PORT) as address:
        assert await get(address, "/healthz") == (200, {"status": "ok"})
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection(*address, ssl=ssl.create_default_context())


async def test_it_stops_listening_at_the_end() -> None:
    async with serving(SITE, ANY_PORT) as address:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_client_that_stays_does_not_keep_it_from_stopping() -> None:
    async with serving(SITE, ANY_PORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    async with serving(SITE, ANY_PORT) as address:
        with pytest.raises(ListenError) as raised:
            async with serving(SITE, address):
                raise AssertionError
    assert str(raised.value) == (
        f"Cannot listen on {address} for HTTP: Address already in use. "
        "Another pinwatch may be running; --http chooses another port."
    )


async def test_a_name_that_is_unknown_is_told_in_one_sentence() -> None:
    with pytest.raises(ListenError) as raised:
        async with serving(SITE, Address("no.invalid", 1)):
            raise AssertionError
    assert str(raised.value).startswith("Cannot listen on no.invalid:1 for HTTP: ")


async def test_signals_stay_the_commands() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving(SITE, ANY_PORT) as address:
        await get(address, "/healthz")
        after = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert after == before


@asynccontextmanager
async def connected(
    address: tuple[str, int] | tuple[()] = (), **options: Any
) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*address, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def large(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield bytes(65_536)

    return StreamingResponse(chunks())


async def echo(request: Request) -> Response:
    with suppress(ClientDisconnect):
        return Response(await request.body())
    return Response()


ECHO: Final = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
LARGE: Final = Starlette(routes=[Route("/", large)])
LARGE_SIZE: Final = 65_536_000
HEAD: Final = b"POST / HTTP/1.1\r\nHost: x\r\n"
GET: Final = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_AND_CLOSE: Final = GET[:-2] + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\n",
        HEAD[:-2],
        HEAD + b"Content-Length: 2\r\n\r\n1",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    ],
)
async def test_a_request_that_does_not_end(sent: bytes) -> None:
    async with (
        serving(ECHO, ANY_PORT, Limits(request=0.01)) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(sent)
        assert await ended(reader) in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")


async def test_a_second_request_that_does_not_end() -> None:
    async with (
        serving(ECHO, ANY_PORT, Limits(request=0.01)) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GET[:-2])
        assert await ended(reader) == b""


async def test_a_whole_request_may_take_its_time_to_be_answered() -> None:
    go_on = asyncio.Event()

    async def later(request: Request) -> Response:
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        await go_on.wait()
        return Response("done")

    site = Starlette(routes=[Route("/", later)])
    async with (
        serving(site, ANY_PORT, Limits(request=0.01)) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(GET_AND_CLOSE)
        assert (await ended(reader)).endswith(b"done")


async def test_a_response_that_is_not_read() -> None:
    left = asyncio.Event()

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await LARGE(scope, receive, send)
        finally:
            left.set()

    async with (
        serving(observed, ANY_PORT, Limits(response=0.01)) as address,
        connected(address, limit=1_024) as (_, writer),
        asyncio.timeout(PATIENCE),
    ):
        writer.write(GET)
        await left.wait()


async def test_a_response_that_is_read_to_its_end() -> None:
    async with (
        serving(LARGE, ANY_PORT) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(GET_AND_CLOSE)
        assert len(await ended(reader)) > LARGE_SIZE


async def test_no_more_connections_than_the_limit() -> None:
    async with (
        serving(ECHO, ANY_PORT, Limits(connections=3)) as address,
        AsyncExitStack() as stack,
    ):
        for _ in range(5):
            await stack.enter_async_context(connected(address))
        reader, writer = await stack.enter_async_context(connected(address))
        writer.write(GET)
        assert await reader.readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
        beyond, _ = await stack.enter_async_context(connected(address))
        assert await ended(beyond) == b""


async def test_a_head_that_is_too_long() -> None:
    async with (
        serving(ECHO, ANY_PORT) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(GET[:-2] + b"X: " + b"x" * 1_000_000)
        assert (await ended(reader)).startswith((b"HTTP/1.1 400 ", b""))
        assert reader.at_eof() or reader.exception()


async def test_out_of_file_descriptors() -> None:
    async with serving(SITE, ANY_PORT) as address:
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
        with logged() as messages:
            with no_descriptors_left():
                for client in clients:
                    with suppress(BlockingIOError):
                        client.connect(address)
                first = await messages.get()
            for client in clients:
                async with connected(sock=client) as (reader, writer):
                    writer.write(GET.replace(b"/ ", b"/healthz "))
                    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        assert first == (
            f"Cannot accept clients on {address}: Too many open files. "
            "Retrying every 1 s. If this lasts, raise the limit of open files "
            "(ulimit -n)."
        )
        assert messages.get_nowait() == f"Accepting clients on {address} again."
        assert messages.empty()


async def ended(reader: Reader) -> bytes:
    """Return what the server sends until it closes the connection or aborts it."""
    received = bytearray()
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                received += chunk
    return bytes(received)


@contextmanager
def logged() -> Iterator[asyncio.Queue[str]]:
    """Give the messages that pinwatch logs."""
    messages: asyncio.Queue[str] = asyncio.Queue()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.put_nowait(record.getMessage())

    log, handler = logging.getLogger("pinwatch"), Handler()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield messages
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
