"""The system calls that every chunk costs: Python's, or the compiled build's own.

The compiled build's do the same with less. A socket that does not block is not waited
for, and so nobody needs the interpreter meanwhile.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final

try:
    from pinwatch.sockets import _calls
except ImportError:
    _own = False
else:
    _own = True

OWN: Final = _own

SMALL_READ: Final[int] = _calls.SMALL_READ if OWN else 479
"""Bytes that can be read without asking for memory first. Python has 512 at hand,
with what bytes are kept in."""

receive: Final[Callable[[int, int], bytes]] = _calls.receive if OWN else os.read
"""At most so many bytes of a descriptor; none are its end. Raises OSError."""

Send = Callable[[list[Any]], list[tuple[Any, bytes, int]]]


def _send_each(pieces: list[Any]) -> list[tuple[Any, bytes, int]]:
    refused: list[tuple[Any, bytes, int]] = []
    at = 0
    try:
        for at in range(0, len(pieces), 3):
            data = pieces[at + 2]
            try:
                taken = os.write(pieces[at + 1], data)
            except OSError as error:
                taken = -(error.errno or 0)
            if taken != len(data):
                refused.append((pieces[at], data, taken))
    finally:
        del pieces[: at + 3]
    return refused


send_all: Final[Send] = _calls.send_all if OWN else _send_each
"""Sends what is in the list, which is empty afterwards: of each piece who sends it, the
descriptor, none of them twice, and the bytes. Returns those that were not wholly taken:
who, the bytes, and how many of them were, or the negative errno."""

Wait = Callable[[int, float], list[int]]

wait: Final[Wait | None] = _calls.wait if OWN and sys.platform == "linux" else None
"""What an epoll descriptor tells within so many seconds, or ever if they are negative:
descriptors, each followed by the mask of its events. Raises OSError."""
