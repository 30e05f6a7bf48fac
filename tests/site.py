"""The HTTP side of a proxy, and what asks it over real sockets."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from starlette.types import ASGIApp

from pinwatch.config.model import Address
from pinwatch.web.server import serving
from tests.harness import PATIENCE, RunningProxy

ANY_PORT: Final = Address("127.0.0.1", 0)


def answering(proxy: RunningProxy, app: ASGIApp) -> AbstractContextManager[str]:
    """Serve app in the loop of the proxy, and return its URL."""
    return _serving(proxy._loop, app, ANY_PORT)


@contextmanager
def alone(app: ASGIApp, listen: Address) -> Iterator[str]:
    """Serve app in a loop of its own, without a proxy, and return its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="site")
    thread.start()
    try:
        with _serving(loop, app, listen) as url:
            yield url
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def _serving(
    loop: asyncio.AbstractEventLoop, app: ASGIApp, listen: Address
) -> Iterator[str]:
    site = serving(app, listen)
    enter = asyncio.run_coroutine_threadsafe(site.__aenter__(), loop)
    try:
        yield f"http://{enter.result(PATIENCE)}"
    finally:
        leave = site.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(leave, loop).result(PATIENCE)


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: dict[str, str]
    """The headers by their names in lower case."""
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(
    url: str, method: str = "GET", body: str | None = None, **headers: str
) -> Answered:
    """Whatever its status; of headers, the names have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else body.encode()
    request = Request(url, data, named, method=method)
    try:
        with urlopen(request, timeout=PATIENCE) as a:
            return Answered(a.status, _lower(a.headers), a.read().decode())
    except HTTPError as error:
        with error:
            return Answered(error.code, _lower(error.headers), error.read().decode())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
