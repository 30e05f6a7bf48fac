"""What one database connection has to answer, in order: the entries and their queue.

Each message that the server will answer with ReadyForQuery has an entry, and so has
each Parse and Close. Does not know which entry an answer belongs to.
"""

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i64

QUERY: Final = 1  # Query or FunctionCall
QUERY_IN_BATCH: Final = 2  # the same, with no Sync after the batch before it
SYNC: Final = 3
COPY_END: Final = 4  # CopyDone or CopyFail, sent before the server asked for data
UNNAMED_PARSE: Final = 5
PLAIN: Final = 6  # a Parse or Close of what the proxy does not keep
INJECTED: Final = 7  # a Query of the proxy's own, swallowed through its ReadyForQuery
FENCE: Final = 8

ENDED_BY_READY: Final = frozenset((QUERY, INJECTED, FENCE))  # also after an error
ENDS_OF_BATCH: Final = frozenset((QUERY, QUERY_IN_BATCH, SYNC))

PASSED: Final = 64  # entries that are kept behind the first one, at most as many again


class Change:
    """What a Parse or Close changes, or a Query in a batch, unless it is skipped.

    The change is made when the message is sent; undo takes it back when the server
    refuses or skips the message. One of a Query stands before the Query's entry, and
    has no answer of its own.
    """

    __slots__ = ("swallow",)
    answered = True
    unnamed = False

    def __init__(self, swallow: bool) -> None:
        self.swallow = swallow

    def undo(self) -> None:
        raise NotImplementedError


Entry = int | Change


def answered_by_ready(entry: Entry) -> bool:
    """Whether ReadyForQuery is its answer, or the end of it."""
    return isinstance(entry, int) and (entry <= SYNC or entry >= INJECTED)


class ReplyQueue:
    """A queue of entries; the first one is answered first.

    Most queues are short and soon empty, so the list stays, and what is past in it is
    overwritten.
    """

    __slots__ = ("_end", "_entries", "_first")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._first: i64 = 0  # of those that are due; the others are past
        self._end: i64 = 0  # of those that are due; behind it is room

    def __bool__(self) -> bool:
        return self._first < self._end

    def __len__(self) -> int:
        return self._end - self._first

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries[self._first : self._end])

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._entries[self._first : self._end]

    def __getitem__(self, at: int) -> Entry:
        """at counts from the first; raises IndexError."""
        return self._entries[self._place(at)]

    def __setitem__(self, at: int, entry: Entry) -> None:
        self._entries[self._place(at)] = entry

    def _place(self, at: int) -> i64:
        place: i64 = self._first + at
        if not self._first <= place < self._end:
            raise IndexError(at)
        return place

    def backwards(self) -> Iterator[Entry]:
        return reversed(self._entries[self._first : self._end])

    def append(self, entry: Entry) -> None:
        entries, end = self._entries, self._end
        if end < len(entries):
            entries[end] = entry
        else:
            entries.append(entry)
        self._end = end + 1

    def prepend(self, entry: Entry) -> None:
        """Before the first one."""
        if self._first == self._end:
            self.append(entry)
        elif self._first:
            self._first -= 1
            self._entries[self._first] = entry
        else:
            self._entries.insert(0, entry)
            self._end += 1

    def take(self) -> Entry:
        """The first one, which is due no longer; raises IndexError."""
        entries, first, end = self._entries, self._first, self._end
        if first == end:
            raise IndexError("nothing is due")
        entry = entries[first]
        entries[first] = PLAIN  # nothing that is past is kept alive
        first += 1
        if first == end:
            if first > PASSED:
                self._entries = []
            self._first = self._end = 0
        elif first > PASSED and first > end - first:
            del entries[:first]
            self._first, self._end = 0, end - first
        else:
            self._first = first
        return entry
