"""The thread that waits in a driver's blocking call.

Most statements are sent so. To find them takes a few frames of each thread, where the
search in ``find`` takes all frames and all tasks.
"""

import sys
import threading
from collections.abc import Iterator
from inspect import CO_COROUTINE
from types import FrameType

from pinwatch.testing.origin import sockets
from pinwatch.testing.origin.frame import is_application


def blocked(address: str) -> FrameType | None:
    """Return the driver's innermost frame that has the socket with this address.

    The result is None if no thread has one, if several have, or if a coroutine runs.
    """
    here = threading.get_ident()
    threads = sys._current_frames().items()
    found = [_holder(frame, address) for thread, frame in threads if thread != here]
    holders = [frame for frame in found if frame is not None]
    return holders[0] if len(holders) == 1 else None


def _holder(innermost: FrameType, address: str) -> FrameType | None:
    calls = _calls(innermost)
    return next((frame for frame in calls if sockets.holds(frame, address)), None)


def _calls(innermost: FrameType) -> Iterator[FrameType]:
    """Yield the frames of drivers that the application called, innermost first."""
    frame: FrameType | None = innermost
    while frame is not None and not is_application(frame.f_code.co_filename):
        if frame.f_code.co_flags & CO_COROUTINE:
            return
        if sockets.of_a_driver(frame):
            yield frame
        frame = frame.f_back
