"""Waits until descriptors are ready, and serves streams between asyncio's turns.

Owns the descriptors of the streams, and the rounds. A round waits once, calls the
streams that are ready, and sends what they wrote. The poller calls streams directly,
without a handle, a queue or a task. When descriptors of asyncio are ready, ``wait``
returns them after the round. The poller does not know what they are for.
"""

from time import monotonic

from mypy_extensions import i64, trait

from pinwatch.clock import Clock
from pinwatch.sockets.outbox import Outbox
from pinwatch.sockets.polls import EDGE, ENDING, Poll


@trait
class Watched:
    """An owner of a descriptor, which the poller calls when the descriptor is ready."""

    __slots__ = ()

    def ready(self, mask: i64) -> None:
        """Handle the events in mask: READABLE, WRITABLE, ENDING, and epoll's errors."""


class Poller:
    """Runs rounds for streams until asyncio has something to do.

    Set ``interrupted`` to end the rounds: asyncio has a callback or a timer to run.
    """

    __slots__ = ("_poll", "_watched", "clock", "interrupted", "outbox")

    def __init__(self, clock: Clock, poll: Poll) -> None:
        self.clock = clock
        self.outbox = Outbox()
        self.interrupted = False
        self._poll = poll
        self._watched: list[Watched | None] = []  # the index is the descriptor

    def watch(self, fd: int, owner: Watched, mask: int) -> None:
        """Call owner when fd is ready for mask, also if it is ready already."""
        watched = self._watched
        while len(watched) <= fd:
            watched.append(None)
        if watched[fd] is None:
            self._poll.register(fd, mask | ENDING | EDGE)
            watched[fd] = owner
        else:
            self._poll.modify(fd, mask | ENDING | EDGE)

    def forget(self, fd: int) -> None:
        """Stop watching fd; its owner is not called again, not even in this round."""
        if fd < len(self._watched) and self._watched[fd] is not None:
            self._watched[fd] = None
            self._poll.unregister(fd)

    def wait(self, timeout: float | None) -> list[int]:
        """Serve streams until asyncio has something to do or timeout has passed.

        Returns the ready descriptors that no stream owns, each followed by its mask.
        timeout is in seconds; None waits without a limit.
        """
        clock, poll, outbox, watched = (
            self.clock,
            self._poll,
            self.outbox,
            self._watched,
        )
        self.interrupted = False
        outbox.send()  # data that asyncio's callbacks have written
        if self.interrupted:
            timeout = 0.0
        deadline = -1.0 if timeout is None else monotonic() + max(timeout, 0.0)
        left = -1.0 if timeout is None else max(timeout, 0.0)
        others: list[int] = []
        while True:
            found = poll.poll(left)
            clock.read()
            end: i64 = len(found)
            for at in range(0, end, 2):
                fd: i64 = found[at]
                mask: i64 = found[at + 1]
                owner = watched[fd] if fd < len(watched) else None
                if owner is not None:
                    owner.ready(mask)
                else:
                    others.append(fd)
                    others.append(mask)
            outbox.send()
            if others or self.interrupted or not found:
                return others
            if timeout is not None:
                left = deadline - clock.real
                if left <= 0:
                    return others

    def close(self) -> None:
        self.outbox.close()
        self._poll.close()
        self._watched.clear()
