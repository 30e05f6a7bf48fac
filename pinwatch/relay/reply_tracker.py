"""The replies that a database connection owes, and those that are for the client.

Owns the count of due replies, and the states on which it depends; ``MOVES`` is the
table of the states. Each message that the server answers with ReadyForQuery has an
entry in a queue. So has each Parse and Close, because the proxy sends hidden ones, too,
whose replies it does not forward, and each CopyDone or CopyFail that is sent before its
COPY begins. No other message needs an entry.

Three rules of the server make the count hard. After an error in an extended batch, the
server skips all messages up to the next Sync, even a Query. While it reads COPY data,
it ignores Sync, so the batch of an extended COPY stays open. After a failed COPY it is
unknown which messages the server read as data. The tracker assumes the fewest replies,
and sets ``needs_fence``: a fence must run before the connection returns to the pool. A
fence is a hidden query, whose reply follows all other replies.
"""

from collections import deque
from typing import Final

from mypy_extensions import i64

from pinwatch.relay.reply_queue import (
    CHANGE,
    COPY_END,
    FENCE,
    INJECTED,
    KINDS,
    PLAIN,
    QUERY,
    QUERY_IN_BATCH,
    SYNC,
    UNNAMED_CHANGE,
    UNNAMED_PARSE,
    ReplyQueue,
)

# The mode of the server.
READING: Final = 0  # it will execute the next message
SKIPPING: Final = 3  # it skips all messages up to a Sync that is not sent yet
COPYING: Final = 6  # it reads COPY data, whose end is not sent yet

# The batch of the client. A state is the sum of a mode and one of these.
CLOSED: Final = 0
OPEN: Final = 1  # extended messages were sent, and no Sync or Query after them
SYNC_LOST: Final = 2  # the Sync was sent and a COPY ignored it; the batch is open

MODES: Final = ("reading", "skipping", "copying")
BATCHES: Final = ("closed", "open", "Sync lost")


def moves(reading: bytes, skipping: bytes, copying: bytes) -> bytes:
    """Return the row of one event: the next state for each state."""
    return reading + skipping + copying


def next_states(mode: int, closed: int, opened: int, lost: int) -> bytes:
    """Return the next states for a batch that is closed, open, or lost its Sync."""
    return bytes((mode + closed, mode + opened, mode + lost))


STAYS_READING: Final = next_states(READING, CLOSED, OPEN, SYNC_LOST)
READS_CLOSED: Final = next_states(READING, CLOSED, CLOSED, CLOSED)
READS_OPEN: Final = next_states(READING, OPEN, OPEN, OPEN)
READS_ON: Final = next_states(READING, CLOSED, OPEN, CLOSED)
STAYS_SKIPPING: Final = next_states(SKIPPING, CLOSED, OPEN, SYNC_LOST)
SKIPS_CLOSED: Final = next_states(SKIPPING, CLOSED, CLOSED, CLOSED)
SKIPS_OPEN: Final = next_states(SKIPPING, OPEN, OPEN, OPEN)
SKIPS_ON: Final = next_states(SKIPPING, CLOSED, OPEN, CLOSED)
STAYS_COPYING: Final = next_states(COPYING, CLOSED, OPEN, SYNC_LOST)

QUERY_SENT: Final = moves(
    READS_CLOSED, SKIPS_CLOSED, next_states(READING, CLOSED, CLOSED, SYNC_LOST)
)
EXTENDED_SENT: Final = moves(READS_OPEN, SKIPS_OPEN, READS_OPEN)
SYNC_SENT: Final = moves(
    READS_CLOSED, READS_CLOSED, next_states(COPYING, CLOSED, SYNC_LOST, SYNC_LOST)
)
COPY_ENDED: Final = moves(STAYS_READING, STAYS_SKIPPING, STAYS_READING)
READY_RECEIVED: Final = moves(STAYS_READING, STAYS_SKIPPING, STAYS_READING)
UNDUE_READY_RECEIVED: Final = moves(READS_ON, READS_ON, READS_ON)
ERROR_RECEIVED: Final = moves(READS_ON, SKIPS_ON, READS_ON)
SKIP_BEGUN: Final = moves(SKIPS_ON, SKIPS_ON, SKIPS_ON)
COPY_BEGUN: Final = moves(STAYS_COPYING, STAYS_COPYING, STAYS_COPYING)
SYNC_TAKEN: Final = moves(
    next_states(READING, SYNC_LOST, OPEN, SYNC_LOST),
    STAYS_SKIPPING,
    next_states(COPYING, SYNC_LOST, OPEN, SYNC_LOST),
)

MOVES: Final = {
    "Query sent": QUERY_SENT,
    "extended message sent": EXTENDED_SENT,
    "Sync sent": SYNC_SENT,
    "CopyDone or CopyFail sent": COPY_ENDED,
    "ReadyForQuery": READY_RECEIVED,
    "ReadyForQuery, none due": UNDUE_READY_RECEIVED,
    "error, ReadyForQuery due": ERROR_RECEIVED,
    "error, no Sync due": SKIP_BEGUN,
    "CopyInResponse": COPY_BEGUN,
    "CopyInResponse in a batch, no end due": SYNC_TAKEN,
}
"""The next state by event and state."""

MAX_REPR_ENTRIES: Final = 8


class Change:
    """The effect of a Parse or Close, or of a Query in a batch, on the statements.

    The effect is applied when the message is sent. ``undo`` reverts it when the server
    rejects or skips the message. The Change of a Query precedes the Query's entry and
    has no reply; its ``answered`` is false. With swallow, the reply is not forwarded to
    the client. number counts the changes of one connection. unnamed is true for a
    client's unnamed statement. The methods of this base class do nothing: the proxy
    records no effect of such a message.
    """

    __slots__ = ("number", "swallow")
    answered = True
    unnamed = False

    def __init__(self, swallow: bool) -> None:
        self.swallow = swallow
        self.number: i64 = -1

    def completed(self) -> None:
        """Handle the reply to the message."""

    def undo(self) -> None:
        """Revert the effect."""

    def doubt(self) -> None:
        """Handle an error before ``undo``: the server rejected or skipped the message.

        The error is that of this message, or of an earlier one that has no entry.
        """

    def redo(self) -> None:
        """Apply the effect again, unless a later message changed the same statement."""


class ReplyTracker:
    """The replies that one database connection still owes, in order."""

    __slots__ = (
        "batches",
        "changes",
        "changes_sent",
        "doubtful",
        "due",
        "earlier_effects",
        "effects",
        "needs_fence",
        "needs_reset_query",
        "probing",
        "readies",
        "state",
        "sync_ignored",
        "uncertain_batch",
        "unnamed_effects",
    )

    def __init__(self) -> None:
        self.state: i64 = READING  # the sum of a mode and a batch, see MOVES
        self.due = ReplyQueue()
        self.changes: deque[Change] = deque()  # one for each due CHANGE, UNNAMED_CHANGE
        self.changes_sent: i64 = 0
        self.readies: i64 = 0  # due entries that ReadyForQuery answers
        self.effects: i64 = 0  # due entries that may change prepared statements
        self.earlier_effects: i64 = 0  # effects of batches that have ended
        self.unnamed_effects: i64 = 0  # on the client's unnamed statement
        self.batches: i64 = 0  # number of batches whose Sync or Query was sent
        # The batch whose SQL may drop statements; -1 if there is none.
        self.uncertain_batch: i64 = -1
        self.probing = False  # the reply to a Probe of the uncertain batch is due
        # The Change of a Query in a batch that counts as skipped, but may have failed.
        self.doubtful: Change | None = None
        self.sync_ignored = False  # the running COPY ignored a Sync
        self.needs_fence = False
        self.needs_reset_query = False  # see ``DatabaseStream.reset_query``

    def __repr__(self) -> str:
        mode, batch = MODES[self.state // 3], BATCHES[self.state % 3]
        due = [KINDS[kind] for kind in list(self.due)[:MAX_REPR_ENTRIES]]
        if len(self.due) > MAX_REPR_ENTRIES:
            due.append(f"{len(self.due) - MAX_REPR_ENTRIES} more")
        needs = ", needs a fence" * self.needs_fence
        needs += ", needs a reset query" * self.needs_reset_query
        return (
            f"<ReplyTracker {mode}, batch {batch}, due: "
            f"{', '.join(due) or 'nothing'}{needs}>"
        )

    def settled(self) -> bool:
        """Return True if no reply is due or uncertain, and no request is incomplete."""
        if self.due.length or self.state:
            return False
        return not (self.needs_fence or self.needs_reset_query)

    def in_request(self) -> bool:
        """Return True if the client must send more to complete its request."""
        return self.state != READING

    def may_be_skipped(self) -> bool:
        """Return True if an error before the next message may make the server skip it.

        A Query in a batch does not end the skip, so this is also true after the Query.
        """
        return self.state != READING or self.uncertain_batch >= 0

    def executing(self) -> bool:
        """Return True if replies are due to requests that are complete."""
        return bool(self.due) and self.state == READING

    @property
    def counting(self) -> bool:
        """True if the server will execute the next message, and not skip it."""
        return self.state < SKIPPING

    # Messages that are sent to the server.

    def query(self) -> None:
        """Record a Query or FunctionCall."""
        state = self.state
        if state >= COPYING:
            self.needs_fence = True
        elif state < SKIPPING:
            if state == READING:
                self.due.append(QUERY)
            else:
                self.due.append(QUERY_IN_BATCH)
                self.uncertain_batch = self.batches
            self._end_batch()
        self.state = QUERY_SENT[state]

    def sync(self) -> None:
        """Record a Sync."""
        state = self.state
        self.state = SYNC_SENT[state]
        if state >= COPYING:
            self.sync_ignored = True
            return
        self.due.append(SYNC)
        self.readies += 1
        self.earlier_effects = self.effects
        self.batches += 1

    def batch(self) -> None:
        """Record a Bind, Describe, Execute or other message without an entry."""
        if self.state >= COPYING:
            self.needs_fence = True
        self.state = EXTENDED_SENT[self.state]

    def unnamed_parse(self) -> None:
        """Record a client's Parse of its unnamed statement, the first in its batch."""
        if self.state == READING:
            self.due.append(UNNAMED_PARSE)
            self.effects += 1
            self.unnamed_effects += 1
        self.batch()

    def plain(self) -> None:
        """Record a Parse or Close that changes no statement that the proxy keeps."""
        self.batch()
        if self.state < SKIPPING:
            self.due.append(PLAIN)

    def change(self, change: Change) -> None:
        """Record a message with an effect, in a batch that the server does not skip."""
        change.number = self.changes_sent
        self.changes_sent += 1
        self.changes.append(change)
        self.effects += 1
        if change.unnamed:
            self.unnamed_effects += 1
            self.due.append(UNNAMED_CHANGE)
        else:
            self.due.append(CHANGE)

    def copy_end(self) -> None:
        """Record a CopyDone or CopyFail."""
        state = self.state
        if state < SKIPPING and (state or self.due.length):
            self.due.append(COPY_END)
        self.state = COPY_ENDED[state]

    def inject(self, kind: i64) -> None:
        """Record a hidden query or batch; kind is INJECTED or FENCE."""
        self.due.append(kind)
        self._end_batch()

    def _end_batch(self) -> None:
        self.readies += 1
        self.earlier_effects = self.effects
        self.batches += 1

    def drops_statements(self) -> None:
        """Record that SQL in the present batch may drop prepared statements."""
        self.uncertain_batch = self.batches

    # Replies of the server.

    def ready(self) -> bool:
        """Handle a ReadyForQuery; return False if none was due."""
        due = self.due
        self.state = READY_RECEIVED[self.state]
        self.sync_ignored = False
        while due.length:
            kind = due.take()
            if kind >= QUERY:
                self._request_done(kind)
                return True
            change = self._uncount(kind)
            if change is not None and change.answered:
                self.needs_fence = True
                change.undo()
        self.state = UNDUE_READY_RECEIVED[self.state]
        return False

    def ready_was_not_due(self) -> None:
        """Handle a ReadyForQuery that was not due.

        It shows that a Query in a batch, which counted as skipped, has run: the error
        that arrived was its own.
        """
        if self.doubtful is not None:
            self.doubtful.redo()
            self.doubtful = None

    def _request_done(self, kind: i64) -> None:
        self.readies -= 1
        if not self.readies:
            self.uncertain_batch = -1
        if kind != SYNC:
            self.needs_reset_query = kind == QUERY_IN_BATCH
            if kind == FENCE:
                self.needs_fence = False
                self.doubtful = None
        if self.due.length:
            self._pass_copy_ends()

    def completed(self) -> bool:
        """Handle a ParseComplete or CloseComplete.

        Return True if it is not forwarded to the client.
        """
        first = self._pass_copy_ends()
        if not 0 < first < QUERY:
            return False
        change = self._uncount(self.due.take())
        if change is None:
            return False
        change.completed()
        return change.swallow

    def failed(self) -> bool:
        """Handle an ErrorResponse.

        Return True if the client has no unnamed statement after it.
        """
        self.needs_fence = self.needs_fence or self.sync_ignored
        self.sync_ignored = False
        self.state = ERROR_RECEIVED[self.state]
        first = self._pass_copy_ends()
        if first in (QUERY, INJECTED, FENCE):
            return False
        if first == UNNAMED_CHANGE:
            self.changes[0].doubt()
        return self._skip_to_sync()

    def _skip_to_sync(self) -> bool:
        due = self.due
        skipped: list[Change] = []
        parsed = False
        while due.length and due.first() != SYNC:
            kind = due.take()
            if kind == QUERY_IN_BATCH:
                self.needs_fence = True
            parsed = parsed or kind == UNNAMED_PARSE
            change = self._uncount(kind)
            if change is not None:
                skipped.append(change)
                if not change.answered:
                    self.doubtful = change
        for change in reversed(skipped):
            change.undo()
        if not due.length:
            self.state = SKIP_BEGUN[self.state]
        return parsed and not self.unnamed_effects

    def copy_in(self) -> None:
        """Handle a CopyInResponse: the server ignores Sync until the data ends."""
        due = self.due
        if due.first() == UNNAMED_CHANGE and not self.changes[0].answered:
            self._uncount(due.take())  # of the Query whose COPY begins
        in_batch = due.first() not in (QUERY, QUERY_IN_BATCH)
        query: i64 = 0
        if not in_batch:
            query = due.take()
        self.state = COPY_BEGUN[self.state]
        while due.length and self.state >= COPYING:
            kind = due.take()
            if kind == SYNC:
                self.sync_ignored = True
            else:
                self.state = COPY_ENDED[self.state]
                self.needs_fence = self.needs_fence or kind != COPY_END
            change = self._uncount(kind)
            if change is not None:
                change.undo()
        if not in_batch:
            due.prepend(query)
        elif not due.end_batch_at_query():
            self.state = SYNC_TAKEN[self.state]

    def _pass_copy_ends(self) -> i64:
        """Remove the ends of copies that never began or are over.

        Return the first kind that is left, or 0 if no reply is due.
        """
        first = self.due.first()
        while first == COPY_END:
            self.due.take()
            first = self.due.first()
        return first

    def _uncount(self, kind: i64) -> Change | None:
        """Subtract a removed entry from the counters; return its Change, or None."""
        if kind >= QUERY:
            self.readies -= 1
        if not UNNAMED_PARSE <= kind <= CHANGE:
            return None
        self.effects -= 1
        if self.earlier_effects:
            self.earlier_effects -= 1
        if kind != CHANGE:
            self.unnamed_effects -= 1
        return None if kind == UNNAMED_PARSE else self.changes.popleft()

    # Prepared statements.

    def in_doubt(self) -> bool:
        """Return True if an earlier batch may still change prepared statements."""
        return self.state < SKIPPING and (
            self.earlier_effects > 0
            or self.uncertain_batch >= 0
            or (self.needs_fence and self.state == READING and self.readies > 0)
        )

    def needs_probe(self) -> bool:
        """Return True if the SQL that may drop statements is in the open batch."""
        return self.uncertain_batch == self.batches and not self.probing

    def is_due(self, number: int) -> bool:
        """Return True if the Change with this number is unanswered."""
        return number >= self.changes_sent - len(self.changes)
