"""One connected socket, read when it is ready and written when the round ends.

Owns the socket, the queue of bytes that the socket did not take, and back-pressure.
Does not know what the bytes mean.
"""

import os
import socket as socket_module
from collections import deque
from contextlib import suppress
from errno import EAGAIN, EINTR
from itertools import islice
from socket import (
    AF_UNIX,
    IPPROTO_TCP,
    SHUT_WR,
    SO_KEEPALIVE,
    SOL_SOCKET,
    TCP_NODELAY,
    socket,
)
from typing import Any, Final

from mypy_extensions import i64

from pinwatch.sockets.calls import SMALL_READ, receive
from pinwatch.sockets.outbox import Writer
from pinwatch.sockets.poller import Poller, Watched
from pinwatch.sockets.polls import READABLE, WRITABLE
from pinwatch.sockets.transport import Listening, Receiver, Transport

MEDIUM_READ: Final = 16_384  # bytes to read after a read of SMALL_READ was filled
LARGE_READ: Final = 65_536  # bytes after a full MEDIUM_READ; too few for malloc to mmap
MAX_READS: Final = 8  # in a row, before other streams have their turn

HIGH_WATER: Final = 65_536  # queued bytes above which the receiver has to pause
LOW_WATER: Final = 16_384  # queued bytes at which it may resume
MAX_BUFFERS: Final = 64  # per writev
WOULD_BLOCK: Final = (EAGAIN, EINTR)

NULL_RECEIVER: Final = Listening()  # replaces an ended stream's receiver, to free it


KEEP_ALIVE: Final = (
    ("TCP_KEEPIDLE", 60),  # seconds without data before the first probe
    ("TCP_KEEPINTVL", 10),  # seconds between probes
    ("TCP_KEEPCNT", 6),  # unanswered probes after which the connection is lost
)


def keep_alive(connected: socket) -> None:
    """Let the system detect within two minutes that the peer's machine is gone."""
    connected.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE:
        option = getattr(socket_module, name, None)  # not every system has all
        if option is not None:
            connected.setsockopt(IPPROTO_TCP, option, value)


class Stream(Transport, Watched, Writer):
    """A transport on a Loop; ``open`` starts it."""

    __slots__ = (
        "_backlog",
        "_batch",
        "_closing",
        "_eof",
        "_fd",
        "_loop",
        "_outbox",
        "_paused",
        "_poller",
        "_read_size",
        "_receiver",
        "_receiver_paused",
        "_socket",
        "_unsent",
    )

    def __init__(
        self, loop: Any, poller: Poller, connected: socket, receiver: Receiver
    ) -> None:
        connected.setblocking(False)
        if connected.family != AF_UNIX:
            connected.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            keep_alive(connected)
        self._loop = loop
        self._poller = poller
        self._socket = connected
        # Typed Any so that the compiled build keeps Python objects: it would convert a
        # native number for each system call.
        self._fd: Any = connected.fileno()
        self._read_size: Any = SMALL_READ
        self._receiver = receiver
        self._outbox = poller.outbox
        self._batch: i64 = -1  # the outbox's batch with the last write
        self._backlog: deque[bytes] | None = None  # bytes that the socket did not take
        self._unsent: i64 = 0  # their total size
        self._receiver_paused = False
        self._paused = False
        self._eof = False
        self._closing = False

    def open(self) -> None:
        """Start the stream; data that is already there is read in the next round."""
        self._receiver.connection_made(self)
        if not self._closing:
            self._watch()

    def ready(self, mask: i64) -> None:
        try:
            if mask & WRITABLE and self._unsent:
                self._flush()
            if mask & ~WRITABLE:
                self._read(mask > READABLE | WRITABLE)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {
                "message": "An unexpected error closed a connection.",
                "exception": error,
                "transport": self,
            }
        )
        self._end(error)

    def ends(self) -> tuple[object, object]:
        """Return both addresses; the peer's is None if the peer has disconnected."""
        try:
            peer = self._socket.getpeername()
        except OSError:
            peer = None
        return self._socket.getsockname(), peer

    # Reading.

    def _read(self, ending: bool) -> None:
        """Read while the socket may hold more; if ending, read up to the end."""
        reads: i64 = 0
        while reads < MAX_READS:
            reads += 1
            if self._paused or self._closing:
                return
            requested: i64 = self._read_size
            try:
                data = receive(self._fd, self._read_size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(error)
                return
            got: i64 = len(data)
            if not got:
                self._receive_eof()
                return
            full = got == requested
            if full:
                self._read_size = MEDIUM_READ if requested < MEDIUM_READ else LARGE_READ
            elif got < SMALL_READ < requested:
                self._read_size = SMALL_READ
            self._receiver.data_received(data)
            if not (full or ending):
                return
        if not self._closing:
            self._watch()

    def _receive_eof(self) -> None:
        if self._receiver.eof_received():
            self.pause_reading()
        else:
            self.close()

    def pause_reading(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._watch()

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            self._watch()

    # Writing.

    def write(self, data: bytes) -> None:
        if self._batch == self._outbox.batch:
            self._outbox.send()
        if self._closing or self._eof:
            return
        if self._unsent:
            self._queue(data)
            self.pause_if_full()
        else:
            self._batch = self._outbox.put(self, self._fd, data)

    def refused(self, data: bytes, taken: int) -> None:
        if self._closing:
            return
        if taken >= 0:
            self._queue(data[taken:])
        elif -taken in WOULD_BLOCK:
            self._queue(data)
        else:
            self._end(OSError(-taken, os.strerror(-taken)))

    def pause_if_full(self) -> None:
        if self._unsent > HIGH_WATER and not self._receiver_paused:
            self._receiver_paused = True
            try:
                self._receiver.pause_writing()
            except Exception as error:
                self._fail(error)

    def _queue(self, data: bytes) -> None:
        """Queue data until the socket takes more."""
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(data)
        before, self._unsent = self._unsent, self._unsent + len(data)
        if not before:
            self._watch()

    def _flush(self) -> None:
        """Send as much of the queue as the socket takes."""
        backlog = self._backlog
        assert backlog is not None
        try:
            sent = os.writev(self._fd, list(islice(backlog, MAX_BUFFERS)))
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._end(error)
            return
        self._unsent -= sent
        while sent:
            first = backlog.popleft()
            if sent < len(first):
                backlog.appendleft(first[sent:])
            sent -= min(sent, len(first))
        if self._unsent:
            self._watch()
        else:
            self._all_sent()
        if self._receiver_paused and self._unsent <= LOW_WATER:
            self._receiver_paused = False
            self._receiver.resume_writing()

    def _all_sent(self) -> None:
        self._backlog = None
        if self._eof:
            self._shut_down()
        if self._closing:
            self._stop(None)
        else:
            self._watch()

    def write_eof(self) -> None:
        self._outbox.send()
        if self._closing or self._eof:
            return
        self._eof = True
        if not self._unsent:
            self._shut_down()

    def _shut_down(self) -> None:
        with suppress(OSError):  # the peer has disconnected; the next read reports it
            self._socket.shutdown(SHUT_WR)

    # Closing.

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._outbox.send()
        if self._closing:
            return
        self._closing = True
        if self._unsent:
            self._watch()
        else:
            self._stop(None)

    def abort(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        """End the stream at once and drop its queue; error is the reason, if any."""
        if self._closing and not self._unsent:
            return
        self._closing = True
        self._unsent = 0
        self._backlog = None
        self._stop(error)

    def _stop(self, error: Exception | None) -> None:
        self._poller.forget(self._fd)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._receiver.connection_lost(error)
        finally:
            self._socket.close()
            self._receiver = NULL_RECEIVER

    def _watch(self) -> None:
        reads = not (self._paused or self._closing)
        mask = (READABLE if reads else 0) | (WRITABLE if self._unsent else 0)
        self._poller.watch(self._fd, self, mask)
