"""The system calls that every chunk costs: Python's, or the compiled build's own.

The compiled build's do the same with less. A socket that does not block is not waited
for, and so nobody needs the interpreter meanwhile.
"""

import os
import sys
from collections.abc import Callable
from typing import Final

try:
    from pinwatch.sockets import _calls
except ImportError:
    _own = False
else:
    _own = True

OWN: Final = _own

AT_HAND: Final[int] = _calls.AT_HAND if OWN else 479
"""Bytes that can be read without asking for memory first. Python has 512 at hand,
with what bytes are kept in."""

receive: Final[Callable[[int, int], bytes]] = _calls.receive if OWN else os.read
"""At most so many bytes of a descriptor; none are its end. Raises OSError."""

send: Final[Callable[[int, bytes], int]] = _calls.send if OWN else os.write
"""How many of the bytes a descriptor took. Raises OSError."""

Wait = Callable[[int, float], list[int]]

wait: Final[Wait | None] = _calls.wait if OWN and sys.platform == "linux" else None
"""What an epoll descriptor tells within so many seconds, or ever if they are negative:
descriptors, each followed by the mask of its events. Raises OSError."""
