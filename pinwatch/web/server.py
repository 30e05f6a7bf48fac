"""Serves HTTP in the proxy's event loop; signals stay the command's."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pinwatch.config.model import Address
from pinwatch.errors import cannot_listen
from pinwatch.sockets.acceptor import Acceptor
from pinwatch.web.connection import Connection, Limits

GRACE: Final = 1  # seconds that requests get to end
MAX_HEAD: Final = 16 * 1024  # bytes of a request's line and headers


class _Server(uvicorn.Server):
    """A server whose connections are accepted elsewhere and passed to ``accepted``."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits
        self._opening: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def accepted(self, client: socket.socket) -> None:
        connections = len(self.server_state.connections) + len(self._opening)
        if connections >= 2 * self._limits.connections:
            client.close()
            return
        task = asyncio.get_running_loop().create_task(self._open(client))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def opened(self) -> None:
        """Wait for accepted connections that are not served yet."""
        await asyncio.gather(*self._opening)

    async def _open(self, client: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: Connection(self.config, self.server_state, self._limits), client
        )


@asynccontextmanager
async def serving(
    app: ASGIApp, listen: Address, limits: Limits | None = None
) -> AsyncIterator[Address]:
    """Serve app until exit, and yield the address. Raises ListenError."""
    limits = limits or Limits()
    listening = _listen(listen)
    server = _Server(_config(app, limits), limits)
    loop = asyncio.get_running_loop()
    acceptor = Acceptor(loop, [listening], server.accepted)
    served = loop.create_task(server.serve(sockets=[]))
    try:
        yield Address(*acceptor.address)
    finally:
        acceptor.close()
        await server.opened()
        server.should_exit = True
        await served


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        proxy_headers=False,
        log_level="error",  # not a line for each invalid request
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=GRACE,
    )


def _listen(listen: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(*listen, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(listen, family=family)
    except OSError as error:
        raise cannot_listen(f"{listen} for HTTP", error, "--http") from None
