"""The system calls for each chunk of data: Python's, or the compiled build's own.

The compiled build's own calls (_calls.c) do the same at a lower cost. They keep the
interpreter lock while they read and write, since the sockets do not block.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

try:
    from pinwatch.sockets import _calls
except ImportError:
    _compiled = False
else:
    _compiled = True

COMPILED: Final = _compiled
"""True if the calls are the compiled build's own."""

SMALL_READ: Final[int] = _calls.SMALL_READ if COMPILED else 479
"""Size of a cheap read, in bytes. The compiled build reads to the stack first. Python's
own read allocates the bytes object first, and takes objects of up to 512 bytes, with
their header, from a free list."""

receive: Final[Callable[[int, int], bytes]] = _calls.receive if COMPILED else os.read
"""``receive(fd, size)`` returns at most size bytes, and none at the end of the data.
Raises OSError."""


class Sender(Protocol):
    """Sends the data of many sockets with as few system calls as possible."""

    def send(self, pieces: list[Any], /) -> list[tuple[Any, bytes, int]]:
        """Send the pieces; return those that were not sent completely.

        For each piece, the list holds its writer, a non-blocking descriptor and the
        bytes, one after another. A descriptor must not occur twice. For each piece that
        was not sent completely, the result has its writer, its bytes, and the number
        of sent bytes or the negative errno.

        Raises TypeError or ValueError for a piece of another type; some of the other
        pieces may have been sent then.
        """

    def close(self) -> None:
        """Free the memory in the kernel; later, ``send`` sends piece by piece."""


class PlainSender:
    """``Sender`` with Python's library, piece by piece."""

    def send(self, pieces: list[Any], /) -> list[tuple[Any, bytes, int]]:
        unsent: list[tuple[Any, bytes, int]] = []
        for at in range(0, len(pieces), 3):
            data = pieces[at + 2]
            try:
                sent = os.write(pieces[at + 1], data)
            except OSError as error:
                sent = -(error.errno or 0)
            if sent != len(data):
                unsent.append((pieces[at], data, sent))
        return unsent

    def close(self) -> None:
        pass


new_sender: Final[Callable[[], Sender]] = _calls.Sender if COMPILED else PlainSender

Wait = Callable[[int, float], list[int]]

wait: Final[Wait | None] = _calls.wait if COMPILED and sys.platform == "linux" else None
"""``wait(fd, timeout)`` returns the ready descriptors of an epoll descriptor, each
followed by its mask. timeout is in seconds; a negative one waits without a limit.
Raises OSError."""
