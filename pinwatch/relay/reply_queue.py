"""The queue of replies that one database connection owes: their kinds, in order.

Each message that the server answers with ReadyForQuery has an entry. So has each Parse
and Close, and each CopyDone or CopyFail that is sent before the server asks for data.
The module does not know which entry a reply belongs to.
"""

from collections.abc import Iterator
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

PLAIN: Final = 1  # a Parse or Close that changes nothing that the proxy keeps
COPY_END: Final = 2  # CopyDone or CopyFail, sent before the server asked for data
UNNAMED_PARSE: Final = 3  # a client's Parse without a name, first in its batch
UNNAMED_CHANGE: Final = 4  # a Change of the client's unnamed statement
CHANGE: Final = 5  # any other Change
# ReadyForQuery answers the kinds below. The first three of them end a client's batch.
QUERY: Final = 6  # Query or FunctionCall
QUERY_IN_BATCH: Final = 7  # the same, after a batch that has no Sync
SYNC: Final = 8
INJECTED: Final = 9  # a hidden Query, whose reply is not forwarded
FENCE: Final = 10

KINDS: Final = (
    "",
    "plain",
    "copy end",
    "unnamed Parse",
    "unnamed change",
    "change",
    "Query",
    "Query in batch",
    "Sync",
    "injected",
    "fence",
)

MAX_PAST: Final = 64
"""Answered entries that may stay in the vector although they outnumber those due."""


class ReplyQueue:
    """A queue of kinds; the first one is answered first. Operations are amortized O(1).

    Most queues are short and soon empty, so the vector stays, and answered entries are
    overwritten.
    """

    __slots__ = ("_end", "_first", "_kinds", "_searched", "length")

    def __init__(self) -> None:
        self.length: i64 = 0
        self._kinds = vec[i64]()
        self._first: i64 = 0  # index of the first entry that is due
        self._end: i64 = 0  # index after the last one
        self._searched: i64 = 0  # index before which no entry ends a batch

    def __bool__(self) -> bool:
        return self.length > 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(self._kinds[self._first : self._end])

    def first(self) -> i64:
        """Return the first kind, or 0 if the queue is empty."""
        if not self.length:
            return 0
        return self._kinds[self._first]

    def append(self, kind: i64) -> None:
        kinds, end = self._kinds, self._end
        if end < len(kinds):
            kinds[end] = kind
        else:
            self._kinds = append(kinds, kind)
        self._end = end + 1
        self.length += 1

    def prepend(self, kind: i64) -> None:
        """Insert kind before the first entry."""
        if not self.length:
            self.append(kind)
            return
        if self._first:
            self._first -= 1
            self._kinds[self._first] = kind
        else:
            kinds = [kind]
            kinds.extend(self)
            self._kinds = vec[i64](kinds)
            self._end += 1
        self._searched = self._first
        self.length += 1

    def take(self) -> i64:
        """Remove and return the first kind. Raises IndexError if the queue is empty."""
        if not self.length:
            raise IndexError("nothing is due")
        first = self._first
        kind = self._kinds[first]
        first += 1
        self.length -= 1
        if not self.length:
            if first > MAX_PAST:
                self._kinds = vec[i64]()
            self._first = self._end = self._searched = 0
        elif first > MAX_PAST and first > self.length:
            self._kinds = self._kinds[first:]
            self._searched = max(self._searched - first, 0)
            self._first, self._end = 0, self.length
        else:
            self._first = first
        return kind

    def end_batch_at_query(self) -> bool:
        """Mark the first Query as one in a batch, unless a Sync precedes it.

        Return False if the queue has neither. Entries that were searched once are not
        searched again.
        """
        kinds, end = self._kinds, self._end
        at: i64 = max(self._searched, self._first)
        while at < end and not QUERY <= kinds[at] <= SYNC:
            at += 1
        self._searched = at
        if at == end:
            return False
        if kinds[at] == QUERY:
            kinds[at] = QUERY_IN_BATCH
        return True
