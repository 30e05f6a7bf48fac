"""Accepts connections of PostgreSQL and HTTP clients on listening sockets."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from pinwatch.text import socket_address

log = logging.getLogger("pinwatch")

MAX_ACCEPTS: Final = 64  # in a row, before other sockets have their turn
ACCEPT_PAUSE: Final = 1.0  # seconds without accepting when resources have run out

TOO_MANY_FILES: Final = (errno.EMFILE, errno.ENFILE)
EXHAUSTED: Final = (*TOO_MANY_FILES, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Passes connected sockets to ``accepted`` until it is closed.

    When descriptors or memory run out, accepting pauses for ACCEPT_PAUSE seconds: the
    listening socket stays readable, and would keep the loop busy otherwise. The
    acceptor logs one line when this begins and one when it ends.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[socket.socket],
        accepted: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._accepted = accepted
        self._exhausted = False
        host, port, *_ = sockets[0].getsockname()
        self.address: tuple[str, int] = host, port
        """Host and port of the first socket, also after ``close``."""
        for listening in sockets:
            listening.setblocking(False)
            self._watch(listening)

    def close(self) -> None:
        """Stop accepting; accepted sockets stay open."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            self._loop.remove_reader(listening)
            listening.close()

    def _watch(self, listening: socket.socket) -> None:
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                client, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._pause(listening, error)
                return
            self._recovered(listening)
            self._accepted(client)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        if not self._exhausted:
            self._exhausted = True
            log.error(
                "Cannot accept clients on %s: %s. Retrying every %g s.%s",
                socket_address(listening.getsockname(), ""),
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
            log.info(
                "Accepting clients on %s again.",
                socket_address(listening.getsockname(), ""),
            )
