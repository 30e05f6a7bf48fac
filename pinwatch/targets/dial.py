"""Connections to a target's address: its socket, its TLS, and cancel requests.

Timeouts here are in real seconds: the time that a network needs is not scaled.
"""

import asyncio
from typing import Final

from pinwatch.config.target import Target
from pinwatch.relay.database_startup import Encryption
from pinwatch.sockets.connect import connect, connect_unix
from pinwatch.sockets.loop import running
from pinwatch.sockets.transport import Listening, Receiver, Transport
from pinwatch.targets.tasks import settle
from pinwatch.tls.certificates import client

CANCEL_TIMEOUT: Final = 5.0  # seconds for the server to read a CancelRequest


async def dial(target: Target, receiver: Receiver) -> None:
    """Connect receiver to the target; raises OSError."""
    loop, path = running(), target.socket_path
    if path is not None:
        await connect_unix(loop, receiver, path)
    else:
        await connect(loop, receiver, target.host, target.port)


def encryption(target: Target) -> Encryption | None:
    """Return the TLS that the target's URL requires; raises SettingError.

    A Unix socket has no TLS.
    """
    if target.socket_path is not None:
        return None
    context = client(target.sslmode, target.sslrootcert)
    if context is None:
        return None
    return Encryption(context, target.host, required=target.sslmode != "prefer")


async def send_cancel(target: Target, request: bytes) -> None:
    """Return when the server has read the CancelRequest.

    Raises TimeoutError and OSError.
    """
    connection = CancelConnection(request, running().create_future())
    try:
        async with asyncio.timeout(CANCEL_TIMEOUT):
            await dial(target, connection)
            await connection.done
    finally:
        connection.abort()


class CancelConnection(Listening):
    """A connection for one CancelRequest; done is set when the server closes it."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self.request = request
        self.done = done
        self.transport: Transport | None = None

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        settle(self.done, None)
