"""Doubly linked lists of objects that carry their own links.

An object is in at most one list, and refers to it. Appending, removing and counting
take constant time, without an allocation. Neighbours are typed as ``Linked``, because a
call of ``cast`` would cost as much as the rest of a removal.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from mypy_extensions import i64, mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Linked:
    """An object that can be in one list."""

    __slots__ = ("next", "previous", "within")

    def __init__(self) -> None:
        self.within: LinkedList[Any] | None = None
        self.previous: Linked | None = None
        self.next: Linked | None = None


L = TypeVar("L", bound=Linked)


class LinkedList(Generic[L]):
    """The objects in the order in which they were appended."""

    __slots__ = ("first", "last", "length")

    def __init__(self) -> None:
        self.length: i64 = 0
        self.first: L | None = None
        self.last: L | None = None

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[L]:
        """Iterate over a copy: the list may change meanwhile."""
        found: list[L] = []
        one = self.first
        while one is not None:
            found.append(one)
            one = one.next  # type: ignore[assignment]
        return iter(found)

    def __contains__(self, one: object) -> bool:
        return isinstance(one, Linked) and one.within is self

    def append(self, one: L) -> None:
        """Append an object; it leaves the list that it is in."""
        if one.within is not None:
            one.within._unlink(one)
        last = self.last
        one.within = self
        one.previous = last
        one.next = None
        if last is None:
            self.first = one
        else:
            last.next = one
        self.last = one
        self.length += 1

    def remove(self, one: L) -> None:
        """Remove a member of this list."""
        self._unlink(one)
        one.within = one.previous = one.next = None

    def _unlink(self, one: L) -> None:
        """Join the neighbours of a member; the member's own links stay as they are."""
        previous, following = one.previous, one.next
        if previous is None:
            self.first = following  # type: ignore[assignment]
        else:
            previous.next = following
        if following is None:
            self.last = previous  # type: ignore[assignment]
        else:
            following.previous = previous
        self.length -= 1
