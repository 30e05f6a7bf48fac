"""Opens streams: accepts them on listening sockets, and connects them to addresses."""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from pinwatch.sockets.loop import Loop
from pinwatch.sockets.stream import Stream
from pinwatch.sockets.transport import Receiver

log = logging.getLogger("pinwatch")

BACKLOG: Final = 4_096  # connections that the system completes before they are accepted
MAX_ACCEPTS: Final = 64  # in a row, before other sockets have their turn
ACCEPT_PAUSE: Final = 1.0  # seconds without accepting when resources have run out

TOO_MANY_FILES: Final = (errno.EMFILE, errno.ENFILE)
EXHAUSTED: Final = (*TOO_MANY_FILES, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Accepts streams on all addresses of a host until it is closed.

    When descriptors or memory run out, accepting pauses for ACCEPT_PAUSE seconds: the
    listening socket stays readable, and would keep the loop busy otherwise.
    """

    def __init__(
        self, loop: Loop, sockets: list[socket.socket], receive: Callable[[], Receiver]
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._receive = receive
        self._exhausted = False
        for listening in sockets:
            listening.setblocking(False)
            self._watch(listening)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first socket."""
        host, port, *_ = self._sockets[0].getsockname()
        return host, port

    def close(self) -> None:
        """Stop accepting; accepted streams stay open."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            self._loop.remove_reader(listening)
            listening.close()

    def _watch(self, listening: socket.socket) -> None:
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._pause(listening, error)
                return
            self._recovered(listening)
            Stream(self._loop, self._loop.poller, accepted, self._receive()).open()

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        if not self._exhausted:
            self._exhausted = True
            log.error(
                "Cannot accept clients on %s: %s. Retrying every %g s.%s",
                _address_of(listening),
                error.strerror,
                ACCEPT_PAUSE,
                " If this lasts, raise the limit of open files (ulimit -n)."
                if error.errno in TOO_MANY_FILES
                else "",
            )
        self._loop.remove_reader(listening)
        self._loop.call_later(ACCEPT_PAUSE, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._watch(listening)

    def _recovered(self, listening: socket.socket) -> None:
        if self._exhausted:
            self._exhausted = False
            log.info("Accepting clients on %s again.", _address_of(listening))


async def listen(
    loop: Loop, host: str, port: int, receive: Callable[[], Receiver]
) -> Listener:
    """Listen on all addresses of host. Raises OSError.

    receive returns the receiver of the next stream.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in await _addresses(loop, host, port, socket.AI_PASSIVE):
            sockets.append(
                socket.create_server(address, family=family, backlog=BACKLOG)
            )
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    return Listener(loop, sockets, receive)


async def connect(loop: Loop, receiver: Receiver, host: str, port: int) -> None:
    """Open a stream to the first address of host that accepts it by TCP.

    Raises the OSError of the first address if all of them fail.
    """
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
    loop: Loop, host: str, port: int, flags: int = 0
) -> list[tuple[int, tuple[str, int]]]:
    """Return the families and addresses of host, each once. Raises OSError.

    Only a name is looked up in a thread; numeric addresses need no look-up.
    """
    kind = {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_TCP}
    try:
        numeric = flags | socket.AI_NUMERICHOST
        found = socket.getaddrinfo(host, port, flags=numeric, **kind)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, port, flags=flags, **kind)
    unique = {(family, address): None for family, _, _, _, address in found}
    return [(family, address) for family, address in unique]  # type: ignore[misc]


def _address_of(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
