"""New streams: those that come to a listening socket, and those that go out."""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from pinwatch.sockets.loop import Loop
from pinwatch.sockets.stream import Stream
from pinwatch.sockets.transport import Receiver

log = logging.getLogger("pinwatch")

BACKLOG: Final = 4_096
ACCEPTED: Final = 64  # at a time, before others have their turn
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE: Final = 1.0  # seconds without accepting, when the system has no room


class Listener:
    """Accepts on all addresses of a host until it is closed."""

    def __init__(
        self, loop: Loop, sockets: list[socket.socket], receive: Callable[[], Receiver]
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._receive = receive
        for one in sockets:
            one.setblocking(False)
            loop.add_reader(one, self._accept, one)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first."""
        host, port, *_ = self._sockets[0].getsockname()
        return host, port

    def close(self) -> None:
        """No new ones; those that are here stay."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            self._loop.remove_reader(one)
            one.close()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                log.error("No client can be accepted for now: %s.", error.strerror)
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE, self._go_on, listening)
                return
            Stream(self._loop, self._loop.poller, accepted, self._receive()).open()

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)


async def listen(
    loop: Loop, host: str, port: int, receive: Callable[[], Receiver]
) -> Listener:
    """receive gives who hears of the next one. Raises OSError."""
    sockets: list[socket.socket] = []
    try:
        for family, address in await _addresses(loop, host, port, socket.AI_PASSIVE):
            sockets.append(
                socket.create_server(address, family=family, backlog=BACKLOG)
            )
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return Listener(loop, sockets, receive)


async def connect(loop: Loop, receiver: Receiver, host: str, port: int) -> None:
    """By TCP, to the first address of host that answers; raises OSError."""
    errors: list[OSError] = []
    for family, address in await _addresses(loop, host, port):
        try:
            await _connect(loop, receiver, family, address)
        except OSError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


async def connect_unix(loop: Loop, receiver: Receiver, path: str) -> None:
    """By a Unix socket; raises OSError."""
    await _connect(loop, receiver, socket.AF_UNIX, path)


async def _connect(
    loop: Loop,
    receiver: Receiver,
    family: int,
    address: str | tuple[str, int],
) -> None:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        await loop.sock_connect(one, address)
        stream = Stream(loop, loop.poller, one, receiver)
    except BaseException:
        one.close()
        raise
    stream.open()


async def _addresses(
    loop: Loop, host: str, port: int, flags: int = 0
) -> list[tuple[int, tuple[str, int]]]:
    """Families and addresses, each once; raises OSError."""
    kind = {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_TCP}
    try:
        numeric = flags | socket.AI_NUMERICHOST
        found = socket.getaddrinfo(host, port, flags=numeric, **kind)
    except socket.gaierror:  # a name, which may take time
        found = await loop.getaddrinfo(host, port, flags=flags, **kind)
    unique = {(family, address): None for family, _, _, _, address in found}
    return [(family, address) for family, address in unique]  # type: ignore[misc]
