import asyncio
import json
import signal
from urllib.request import urlopen

import pytest
from starlette.applications import Starlette

from pinwatch.config.model import Address
from pinwatch.errors import ListenError
from pinwatch.web.health import healthz_route
from pinwatch.web.server import serving

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
