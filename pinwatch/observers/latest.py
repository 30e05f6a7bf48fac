"""The latest items of a history, limited in number and in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from sys import getsizeof
from typing import Final, Generic, TypeVar

MAX_ITEMS: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024
OVERHEAD: Final = 1_024  # bytes of an item beside its texts

Item = TypeVar("Item")


class Latest(Generic[Item]):
    """A queue that drops its oldest items; ``texts`` returns the texts of an item."""

    def __init__(
        self,
        texts: Callable[[Item], Iterable[str]],
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._texts = texts
        self._items: deque[Item] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Item]:
        return reversed(self._items)

    def append(self, item: Item) -> None:
        self._items.append(item)
        self._size += self._weight(item)
        while len(self._items) > self.max_items or self._size > self.max_bytes:
            self._size -= self._weight(self._items.popleft())

    def _weight(self, item: Item) -> int:
        """Return the bytes that an item takes, about."""
        return OVERHEAD + sum(map(getsizeof, self._texts(item)))
