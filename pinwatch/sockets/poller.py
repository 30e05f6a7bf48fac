"""Where the loop waits: asyncio's selector, which serves streams by itself.

Owns who waits for what, and the rounds. What asyncio registers goes back to asyncio as
from any selector; a stream is told at once, in as many rounds as come before asyncio
has something to do.
"""

import selectors
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from mypy_extensions import trait

from pinwatch.clock import Clock
from pinwatch.sockets.outbox import Outbox
from pinwatch.sockets.polls import EDGE, ENDING, READABLE, WRITABLE, Poll, mask_of


@trait
class Watched:
    """What has a descriptor and is told when that is ready."""

    __slots__ = ()

    def ready(self, mask: int) -> None:
        """mask is of READABLE, WRITABLE, ENDING, and others for a failure."""


class Poller:
    """asyncio's BaseSelector, and the rounds in which streams are served."""

    __slots__ = ("_keys", "_poll", "_watched", "clock", "interrupted", "outbox")

    def __init__(self, clock: Clock, poll: Poll) -> None:
        self.clock = clock
        self.outbox = Outbox()
        self.interrupted = False  # asyncio has something to do
        self._poll = poll
        self._watched: list[Watched | None] = []  # by their descriptors
        self._keys: dict[int, selectors.SelectorKey] = {}

    # Of streams.

    def watch(self, fd: int, who: Watched, mask: int) -> None:
        """Tell who from now on; also what is so already."""
        watched = self._watched
        while len(watched) <= fd:
            watched.append(None)
        if watched[fd] is None:
            self._poll.register(fd, mask | ENDING | EDGE)
            watched[fd] = who
        else:
            self._poll.modify(fd, mask | ENDING | EDGE)

    def forget(self, fd: int) -> None:
        """Tell nobody any more."""
        if fd < len(self._watched) and self._watched[fd] is not None:
            self._watched[fd] = None
            self._poll.unregister(fd)

    # Of asyncio.

    def select(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """Serve streams until asyncio has something to do; its events that are ready.

        timeout is in seconds; None is for ever.
        """
        clock, poll, outbox = self.clock, self._poll.poll, self.outbox
        watched, keys = self._watched, self._keys
        self.interrupted = False
        outbox.send()  # what asyncio's callbacks have written
        if self.interrupted:
            timeout = 0.0
        deadline = -1.0 if timeout is None else monotonic() + max(timeout, 0.0)
        left = -1.0 if timeout is None else max(timeout, 0.0)
        while True:
            found = poll(left)
            clock.read()
            ready: list[tuple[Any, int]] = []
            for at in range(0, len(found), 2):
                fd, mask = found[at], found[at + 1]
                who = watched[fd] if fd < len(watched) else None
                if who is not None:
                    who.ready(mask)
                elif fd in keys:
                    self._add(ready, fd, mask)
            outbox.send()
            if ready or self.interrupted or not found:
                return ready
            if timeout is not None:
                left = deadline - clock.real
                if left <= 0:
                    return ready

    def _add(self, ready: list[tuple[Any, int]], fd: int, mask: int) -> None:
        """As asyncio's own selectors do: what fails is ready for both."""
        key = self._keys[fd]
        events = 0
        if mask & ~READABLE:
            events |= selectors.EVENT_WRITE
        if mask & ~WRITABLE:
            events |= selectors.EVENT_READ
        if events & key.events:
            ready.append((key, events & key.events))

    def register(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        fd = descriptor(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._poll.register(fd, mask_of(events))
        self._keys[fd] = key
        return key

    def modify(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        if events != key.events:
            self._poll.modify(key.fd, mask_of(events))
        changed = selectors.SelectorKey(key.fileobj, key.fd, events, data)
        self._keys[key.fd] = changed
        return changed

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        with suppress(OSError):  # of one that was closed before
            self._poll.unregister(key.fd)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Raises KeyError."""
        return self._keys[descriptor(fileobj)]

    def get_map(self) -> Mapping[int, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._poll.close()
        self._keys.clear()
        self._watched.clear()


def descriptor(fileobj: Any) -> int:
    """Raises ValueError."""
    fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd
