"""What the system has to wait for many sockets at once, in one form.

Masks are epoll's, wherever they come from.
"""

import select
import selectors
from itertools import chain
from typing import Final, Protocol

from pinwatch.sockets import calls

READABLE: Final = 1  # as EPOLLIN
WRITABLE: Final = 4  # as EPOLLOUT
ENDING: Final = 0x2000  # as EPOLLRDHUP: the peer sends nothing after what is here
EDGE: Final = 1 << 31  # as EPOLLET: told once, until it is asked for again

MOST: Final = 256  # events taken at a time


class Poll(Protocol):
    """Descriptors, and what is waited for on each."""

    def register(self, fd: int, mask: int, /) -> None: ...

    def modify(self, fd: int, mask: int, /) -> None: ...

    def unregister(self, fd: int, /) -> None: ...

    def poll(self, timeout: float, /) -> list[int]:
        """Descriptors, each followed by its mask; seconds, -1 for ever."""

    def close(self) -> None: ...


class Epoll:
    """``Poll`` on Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fd = self._epoll.fileno()

    def register(self, fd: int, mask: int, /) -> None:
        self._epoll.register(fd, mask)

    def modify(self, fd: int, mask: int, /) -> None:
        self._epoll.modify(fd, mask)

    def unregister(self, fd: int, /) -> None:
        self._epoll.unregister(fd)

    def poll(self, timeout: float, /) -> list[int]:
        if calls.wait is not None:
            return calls.wait(self._fd, timeout)
        return list(chain.from_iterable(self._epoll.poll(timeout, MOST)))

    def close(self) -> None:
        self._epoll.close()


class Selector:
    """``Poll`` where there is no epoll, by the best that the platform has."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int, /) -> None:
        self.modify(fd, mask)

    def modify(self, fd: int, mask: int, /) -> None:
        events = (selectors.EVENT_READ if mask & READABLE else 0) | (
            selectors.EVENT_WRITE if mask & WRITABLE else 0
        )
        waits = fd in self._selector.get_map()
        if events and waits:
            self._selector.modify(fd, events)
        elif events:
            self._selector.register(fd, events)
        elif waits:
            self._selector.unregister(fd)

    def unregister(self, fd: int, /) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def poll(self, timeout: float, /) -> list[int]:
        ready = self._selector.select(None if timeout < 0 else timeout)
        return [n for key, events in ready for n in (key.fd, mask_of(events))]

    def close(self) -> None:
        self._selector.close()


def system_poll() -> Poll:
    """The best that the platform has."""
    return Epoll() if hasattr(select, "epoll") else Selector()


def mask_of(events: int) -> int:
    """Of what ``selectors`` calls events."""
    return (READABLE if events & selectors.EVENT_READ else 0) | (
        WRITABLE if events & selectors.EVENT_WRITE else 0
    )
