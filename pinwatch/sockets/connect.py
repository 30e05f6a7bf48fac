"""Opens streams: accepts them on listening sockets, and connects them to addresses."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from pinwatch.sockets.acceptor import Acceptor
from pinwatch.sockets.loop import Loop
from pinwatch.sockets.stream import Stream
from pinwatch.sockets.threads import in_thread
from pinwatch.sockets.transport import Receiver

BACKLOG: Final = 4_096  # connections that wait in the system to be accepted


async def listen(
    loop: Loop, host: str, port: int, receive: Callable[[], Receiver]
) -> Acceptor:
    """Listen on all addresses of host. Raises OSError.

    receive is called for each accepted connection, and returns its receiver.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in await _addresses(host, port, socket.AI_PASSIVE):
            sockets.append(
                socket.create_server(address, family=family, backlog=BACKLOG)
            )
    except BaseException:
        for listening in sockets:
            listening.close()
        raise

    def open_stream(client: socket.socket) -> None:
        Stream(loop, loop.poller, client, receive()).open()

    return Acceptor(loop, sockets, open_stream)


async def connect(loop: Loop, receiver: Receiver, host: str, port: int) -> None:
    """Open a stream to the first address of host that accepts it by TCP.

    Raises the OSError of the first address if all of them fail.
    """
    errors: list[OSError] = []
    for family, address in await _addresses(host, port):
        try:
            await _connect(loop, receiver, family, address)
        except OSError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


async def connect_unix(loop: Loop, receiver: Receiver, path: str) -> None:
    """Open a stream to the Unix-domain socket at path. Raises OSError."""
    await _connect(loop, receiver, socket.AF_UNIX, path)


async def _connect(
    loop: Loop,
    receiver: Receiver,
    family: int,
    address: str | tuple[str, int],
) -> None:
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        await loop.sock_connect(connecting, address)
        stream = Stream(loop, loop.poller, connecting, receiver)
    except BaseException:
        connecting.close()
        raise
    stream.open()


async def _addresses(
    host: str, port: int, flags: int = 0
) -> list[tuple[int, tuple[str, int]]]:
    """Return the families and addresses of host, each once. Raises OSError.

    Only a name is looked up in a thread; numeric addresses need no look-up.
    """
    kind = socket.SOCK_STREAM, socket.IPPROTO_TCP
    try:
        numeric = flags | socket.AI_NUMERICHOST
        found = socket.getaddrinfo(host, port, 0, *kind, numeric)
    except socket.gaierror:
        found = await in_thread(
            partial(socket.getaddrinfo, host, port, 0, *kind, flags)
        )
    unique = {(family, address): None for family, _, _, _, address in found}
    return [(family, address) for family, address in unique]  # type: ignore[misc]
