"""Waits for many descriptors, with one interface to each platform's system call.

Masks are epoll's on every platform.
"""

import select
import selectors
from abc import ABCMeta, abstractmethod
from itertools import chain
from typing import Final

from pinwatch.sockets import calls

READABLE: Final = 1  # EPOLLIN
WRITABLE: Final = 4  # EPOLLOUT
ENDING: Final = 0x2000  # EPOLLRDHUP: the peer has closed its sending side
EDGE: Final = 1 << 31  # EPOLLET: report a change once; modify() arms it again

MAX_EVENTS: Final = 256  # per wait


class Poll(metaclass=ABCMeta):
    """A set of descriptors with the events to wait for on each."""

    @abstractmethod
    def register(self, fd: int, mask: int, /) -> None: ...

    @abstractmethod
    def modify(self, fd: int, mask: int, /) -> None: ...

    @abstractmethod
    def unregister(self, fd: int, /) -> None: ...

    @abstractmethod
    def poll(self, timeout: float, /) -> list[int]:
        """Return the ready descriptors, each followed by its mask.

        timeout is in seconds; a negative one waits without a limit.
        """

    @abstractmethod
    def close(self) -> None: ...


class EpollPoll(Poll):
    """``Poll`` by epoll, on Linux."""

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
        return list(chain.from_iterable(self._epoll.poll(timeout, MAX_EVENTS)))

    def close(self) -> None:
        self._epoll.close()


class SelectorPoll(Poll):
    """``Poll`` by ``selectors.DefaultSelector``, on platforms without epoll.

    EDGE is ignored, so events are level-triggered. ENDING is ignored, too: the end of
    the data shows as READABLE. A mask without READABLE and WRITABLE keeps the
    descriptor out of the selector until it is modified.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int, /) -> None:
        self.modify(fd, mask)

    def modify(self, fd: int, mask: int, /) -> None:
        events = (selectors.EVENT_READ if mask & READABLE else 0) | (
            selectors.EVENT_WRITE if mask & WRITABLE else 0
        )
        registered = fd in self._selector.get_map()
        if events and registered:
            self._selector.modify(fd, events)
        elif events:
            self._selector.register(fd, events)
        elif registered:
            self._selector.unregister(fd)

    def unregister(self, fd: int, /) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def poll(self, timeout: float, /) -> list[int]:
        ready = self._selector.select(None if timeout < 0 else timeout)
        return [number for key, events in ready for number in (key.fd, mask_of(events))]

    def close(self) -> None:
        self._selector.close()


def system_poll() -> Poll:
    """Return a new poll of the platform's best kind."""
    return EpollPoll() if hasattr(select, "epoll") else SelectorPoll()


def mask_of(events: int) -> int:
    """Return the mask of ``selectors`` events."""
    return (READABLE if events & selectors.EVENT_READ else 0) | (
        WRITABLE if events & selectors.EVENT_WRITE else 0
    )
