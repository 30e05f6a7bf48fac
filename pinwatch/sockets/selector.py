"""The selector that asyncio uses: its registrations, and the poller that waits.

The base class keeps the registrations, so that they behave as the running version of
Python expects.
"""

import selectors
from contextlib import suppress
from typing import Any

from pinwatch.sockets.poller import Poller
from pinwatch.sockets.polls import READABLE, WRITABLE, Poll, mask_of


class Selector(selectors.SelectSelector):
    """A selector whose ``select`` serves streams until asyncio has something to do.

    The base class needs no descriptor of its own. Its ``select``, and with it
    select(2), is never called.
    """

    def __init__(self, poll: Poll, poller: Poller) -> None:
        super().__init__()
        self._poll = poll
        self._poller = poller

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        try:
            self._poll.register(key.fd, mask_of(events))
        except BaseException:
            super().unregister(fileobj)
            raise
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        with suppress(OSError):  # the descriptor was closed before
            self._poll.unregister(key.fd)
        return key

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve streams until a registered file object is ready or timeout has passed.

        Returns early, with an empty list, when a stream has scheduled a callback.
        timeout is in seconds; None waits without a limit.
        """
        found = self._poller.wait(timeout)
        ready = []
        for fd, mask in zip(found[::2], found[1::2], strict=True):
            key = self._registered(fd)
            events = 0 if key is None else _events_of(mask) & key.events
            if key is not None and events:
                ready.append((key, events))
        return ready

    def close(self) -> None:
        self._poller.close()
        super().close()

    def _registered(self, fd: int) -> selectors.SelectorKey | None:
        """Return the key of fd; None if code in this round unregistered it."""
        return self.get_map().get(fd)


def _events_of(mask: int) -> int:
    """Return the events of a mask; an error counts as both, as in ``selectors``."""
    return (selectors.EVENT_READ if mask & ~WRITABLE else 0) | (
        selectors.EVENT_WRITE if mask & ~READABLE else 0
    )
