"""Serves HTTP in the loop that relays statements; signals stay the command's."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pinwatch.config.model import Address
from pinwatch.errors import cannot_listen

GRACE: Final = 1  # seconds that requests get to end


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, listen: Address) -> AsyncIterator[Address]:
    """Answers on the address it gives, until exit; raises ListenError."""
    with _listen(listen) as listening:
        server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                timeout_graceful_shutdown=GRACE,
            )
        )
        loop = asyncio.get_running_loop()
        served = loop.create_task(server.serve(sockets=[listening]))
        try:
            yield Address(*listening.getsockname()[:2])
        finally:
            server.should_exit = True
            await served


def _listen(listen: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(*listen, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(listen, family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise cannot_listen(f"{listen} for HTTP", error, reason, "--http") from None
