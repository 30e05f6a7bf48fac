"""One connected socket: read when there is something, written when the round ends.

Owns the socket, what it did not take yet, and when to say so. Does not know what the
bytes mean, nor who waits beside it.
"""

import os
from collections import deque
from contextlib import suppress
from errno import EAGAIN, EINTR
from itertools import islice
from socket import AF_UNIX, IPPROTO_TCP, SHUT_WR, TCP_NODELAY, socket
from typing import Any, Final

from mypy_extensions import i64

from pinwatch.sockets.calls import AT_HAND, receive
from pinwatch.sockets.outbox import Writer
from pinwatch.sockets.poller import Poller, Watched
from pinwatch.sockets.polls import READABLE, WRITABLE
from pinwatch.sockets.transport import Listening, Receiver, Transport

USUAL: Final = 16_384  # bytes read at a time, where there was more than at hand
LARGE: Final = 65_536  # and where there was more than that, too; malloc maps no such
READS: Final = 8  # of one stream, before others have their turn

HIGH: Final = 65_536  # bytes not taken, from which the receiver is to pause
LOW: Final = 16_384  # and down to which it may go on
BUFFERS: Final = 64  # written at a time
AGAIN: Final = (EAGAIN, EINTR)  # the socket takes nothing now

NOBODY: Final = Listening()  # hears what nobody else does any more


class Stream(Transport, Watched, Writer):
    """A transport on a loop of this package; ``open`` begins it."""

    __slots__ = (
        "_backlog",
        "_closing",
        "_eof",
        "_fd",
        "_full",
        "_loop",
        "_outbox",
        "_paused",
        "_poller",
        "_receiver",
        "_round",
        "_size",
        "_socket",
        "_unsent",
    )

    def __init__(
        self, loop: Any, poller: Poller, connected: socket, receiver: Receiver
    ) -> None:
        connected.setblocking(False)
        if connected.family != AF_UNIX:
            connected.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._loop = loop
        self._poller = poller
        self._socket = connected
        # Objects, and not the compiled build's numbers, since each call wants those.
        self._fd: Any = connected.fileno()
        self._size: Any = AT_HAND  # bytes to read at a time
        self._receiver = receiver
        self._outbox = poller.outbox
        self._round: i64 = -1  # of the outbox, in which it was written to last
        self._backlog: deque[bytes] | None = None  # what the socket did not take yet
        self._unsent: i64 = 0  # bytes of it
        self._full = False  # the receiver was told to pause
        self._paused = False
        self._eof = False
        self._closing = False

    def open(self) -> None:
        """Begin; what the peer has sent already comes in the next round."""
        self._receiver.connection_made(self)
        if not self._closing:
            self._watch()

    def ready(self, mask: int) -> None:
        try:
            if mask & WRITABLE and self._unsent:
                self._flush()
            if mask & ~WRITABLE:
                self._read(mask > READABLE | WRITABLE)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "A receiver failed.", "exception": error, "transport": self}
        )
        self._end(error)

    def ends(self) -> tuple[object, object]:
        """None for the peer that is gone already."""
        try:
            peer = self._socket.getpeername()
        except OSError:
            peer = None
        return self._socket.getsockname(), peer

    # Reading.

    def _read(self, ending: bool) -> None:
        """What is here; and to the end, where it is told that it is near."""
        reads = 0
        while reads < READS:
            reads += 1
            if self._paused or self._closing:
                return
            asked: int = self._size
            try:
                data = receive(self._fd, self._size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(error)
                return
            got = len(data)
            if not got:
                self._receive_eof()
                return
            full = got == asked
            if full:
                self._size = USUAL if asked < USUAL else LARGE
            elif got < AT_HAND < asked:
                self._size = AT_HAND
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
        if self._round == self._outbox.round:
            self._outbox.send()
        if self._closing or self._eof:
            return
        if self._unsent:
            self._keep(data)
            self.pause_if_full()
        else:
            self._round = self._outbox.put(self, self._fd, data)

    def refused(self, data: bytes, taken: int) -> None:
        if self._closing:
            return
        if taken >= 0:
            self._keep(data[taken:])
        elif -taken in AGAIN:
            self._keep(data)
        else:
            self._end(OSError(-taken, os.strerror(-taken)))

    def pause_if_full(self) -> None:
        if self._unsent > HIGH and not self._full:
            self._full = True
            try:
                self._receiver.pause_writing()
            except Exception as error:
                self._fail(error)

    def _keep(self, data: bytes) -> None:
        """Until the socket takes more."""
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(data)
        before, self._unsent = self._unsent, self._unsent + len(data)
        if not before:
            self._watch()

    def _flush(self) -> None:
        """Write what was kept, as much as the socket takes."""
        backlog = self._backlog
        assert backlog is not None
        try:
            sent = os.writev(self._fd, list(islice(backlog, BUFFERS)))
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
        if self._full and self._unsent <= LOW:
            self._full = False
            self._receiver.resume_writing()

    def _all_sent(self) -> None:
        self._backlog = None
        if self._eof:
            self._shut_down()
        if self._closing:
            self._leave(None)
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
        with suppress(OSError):  # the peer is gone, as reading will tell
            self._socket.shutdown(SHUT_WR)

    # The end.

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
            self._leave(None)

    def abort(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        """Now, whatever is not written yet; error is why."""
        if self._closing and not self._unsent:
            return
        self._closing = True
        self._unsent = 0
        self._backlog = None
        self._leave(error)

    def _leave(self, error: Exception | None) -> None:
        self._poller.forget(self._fd)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._receiver.connection_lost(error)
        finally:
            self._socket.close()
            self._receiver = NOBODY

    def _watch(self) -> None:
        reads = not (self._paused or self._closing)
        mask = (READABLE if reads else 0) | (WRITABLE if self._unsent else 0)
        self._poller.watch(self._fd, self, mask)
