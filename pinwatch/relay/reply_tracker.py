"""The replies that a database connection owes: who gets them, and when none is left.

Owns the count. Each message that the server will answer with ReadyForQuery has an
entry in what is due, and so has each Parse and Close, since those are also sent by the
proxy on its own account and their answers then swallowed. Everything else in a reply
belongs to the client and needs no entry.

Three things make the count hard, and are settled here. After an error in an extended
batch the server skips to the next Sync, Query included. While it reads COPY data it
ignores Sync, so that the batch of an extended COPY stays open. And where it cannot be
told which of two messages the server took for what, the fewest answers are assumed,
and ``needs_fence`` asks for a fence before the connection is given back: a query of the
proxy's own, before whose answer all others must come.
"""

from mypy_extensions import i64

from pinwatch.relay.reply_queue import (
    COPY_END,
    ENDED_BY_READY,
    ENDS_OF_BATCH,
    FENCE,
    PLAIN,
    QUERY,
    QUERY_IN_BATCH,
    SYNC,
    UNNAMED_PARSE,
    Change,
    Entry,
    ReplyQueue,
    answered_by_ready,
)


class ReplyTracker:
    """What one database connection still has to answer, in order."""

    __slots__ = (
        "barrier",
        "batch_open",
        "changes",
        "copying",
        "due",
        "ignored_syncs",
        "needs_fence",
        "needs_reset_query",
        "segment",
        "skipping",
        "unsynced",
    )

    def __init__(self) -> None:
        self.due = ReplyQueue()
        self.changes: i64 = 0  # entries of due that are a Change
        self.segment: i64 = 0  # batches sent so far, each up to its Sync or Query
        self.barrier: i64 = -1  # batch of whose end, or SQL, nothing is known before
        self.batch_open = False  # extended messages sent, no Sync or Query after them
        self.unsynced = False  # a COPY took the Sync of its batch, which is still open
        self.skipping = False  # the server skips all until a Sync not yet sent
        self.copying = False  # the server reads COPY data whose end is not yet sent
        self.ignored_syncs = False  # a Sync went into the COPY that is running
        self.needs_fence = False
        self.needs_reset_query = (
            False  # a Query ended a batch: see ``DatabaseStream.reset_query``
        )

    def settled(self) -> bool:
        """Nothing is due, half sent or in doubt."""
        return not (
            self.due
            or self.needs_fence
            or self.needs_reset_query
            or self.batch_open
            or self.unsynced
            or self.skipping
            or self.copying
        )

    def in_request(self) -> bool:
        """The client has something to send before the server is done."""
        return self.batch_open or self.unsynced or self.skipping or self.copying

    def executing(self) -> bool:
        """The server owes replies and needs nothing more from the client for them."""
        return bool(self.due) and not self.in_request()

    # What is sent to the server.

    def query(self) -> None:
        if self.copying:
            self._breaks_copy()
        elif not self.skipping:
            if self.batch_open or self.unsynced:
                self.due.append(QUERY_IN_BATCH)
                self.barrier = self.segment
                self.unsynced = False
            else:
                self.due.append(QUERY)
            self.segment += 1
        self.batch_open = False

    def sync(self) -> None:
        self.batch_open = False
        if self.copying:
            self.ignored_syncs = True
            return
        self.skipping = self.unsynced = False
        self.due.append(SYNC)
        self.segment += 1

    def batch(self) -> None:
        """A message of the extended protocol other than Sync and Flush."""
        self.batch_open = True
        if self.copying:
            self._breaks_copy()

    def unnamed_parse(self) -> None:
        """A Parse of the unnamed statement, the first message of its batch."""
        self.batch_open = True
        if self.copying:
            self._breaks_copy()
        elif not self.skipping:
            self.due.append(UNNAMED_PARSE)

    def plain(self) -> None:
        self.batch()
        if self.counting:
            self.due.append(PLAIN)

    def change(self, change: Change) -> None:
        """Only while counting."""
        self.due.append(change)
        self.changes += 1

    def copy_end(self) -> None:
        if self.copying:
            self.copying = False
        elif not self.skipping and (self.due or self.batch_open or self.unsynced):
            self.due.append(COPY_END)

    def inject(self, entry: int) -> None:
        self.due.append(entry)
        self.segment += 1

    @property
    def counting(self) -> bool:
        """The server will read what is sent now, rather than skip it."""
        return not (self.skipping or self.copying)

    def _breaks_copy(self) -> None:
        """The server takes any other message for the COPY's failure."""
        self.copying = False
        self.needs_fence = True

    # What the server sent.

    def ready(self) -> Entry | None:
        """ReadyForQuery: the entry that it answers, None if there is none."""
        due = self.due
        self.copying = self.ignored_syncs = False
        while due:
            entry = due.take()
            if isinstance(entry, int) and answered_by_ready(entry):
                if due:
                    self._pass_copy_ends()
                if entry != SYNC:
                    self.needs_reset_query = entry == QUERY_IN_BATCH
                if entry == FENCE:
                    self.needs_fence = False
                if self.barrier >= 0 and not self._ready_is_due():
                    self.barrier = -1
                return entry
            skipped = isinstance(entry, Change) and entry.answered
            self.needs_fence = self.needs_fence or skipped
            self._drop(entry, undo=skipped)
        self.skipping = self.unsynced = False
        return None

    def _ready_is_due(self) -> bool:
        return any(answered_by_ready(entry) for entry in self.due)

    def completed(self) -> Entry | None:
        """ParseComplete or CloseComplete: the entry that it answers."""
        due = self.due
        if not due:
            return None
        entry = due[0]
        if isinstance(entry, Change):
            self.changes -= 1
        elif entry == COPY_END:
            self._pass_copy_ends()
            return self.completed()
        elif answered_by_ready(entry):
            return None
        return due.take()

    def failed(self) -> bool:
        """ErrorResponse: True if it leaves no unnamed statement of the client."""
        due = self.due
        self.needs_fence = self.needs_fence or self.ignored_syncs
        self.copying = self.ignored_syncs = self.unsynced = False
        self._pass_copy_ends()
        if due and due[0] in ENDED_BY_READY:
            return False
        return self._skip_to_sync()

    def _skip_to_sync(self) -> bool:
        due = self.due
        dropped: list[Entry] = []
        while due and due[0] != SYNC:
            entry = due.take()
            if entry == QUERY_IN_BATCH:
                self.needs_fence = True
            dropped.append(entry)
        for entry in reversed(dropped):
            self._drop(entry, undo=True)
        if not due:
            self.skipping = True
        return UNNAMED_PARSE in dropped and not self._unnamed_is_due()

    def _unnamed_is_due(self) -> bool:
        """A later batch has another unnamed statement for the client."""
        for entry in self.due:
            if isinstance(entry, Change):
                if entry.unnamed:
                    return True
            elif entry == UNNAMED_PARSE:
                return True
        return False

    def copy_in(self) -> None:
        """CopyInResponse: from now the server ignores Sync, to the data's end."""
        due = self.due
        query = due.take() if due and due[0] in (QUERY, QUERY_IN_BATCH) else None
        self.copying = True
        while due and self.copying:
            entry = due.take()
            if entry == COPY_END:
                self.copying = False
            elif entry == SYNC:
                self.ignored_syncs = True
            else:
                self._drop(entry, undo=True)
                self._breaks_copy()
        if query is None:
            self._keep_batch_open()
        else:
            due.prepend(query)

    def _keep_batch_open(self) -> None:
        """The batch of a COPY lasts until a Sync or Query that comes after the data."""
        ends = (n for n, entry in enumerate(self.due) if entry in ENDS_OF_BATCH)
        end = next(ends, None)
        if end is None:
            self.unsynced = True
        elif self.due[end] == QUERY:
            self.due[end] = QUERY_IN_BATCH

    def _pass_copy_ends(self) -> None:
        """Drop those that ended nothing, or what is over."""
        while self.due and self.due[0] == COPY_END:
            self.due.take()

    def _drop(self, entry: Entry, undo: bool) -> None:
        if isinstance(entry, Change):
            self.changes -= 1
            if undo:
                entry.undo()

    def drops_statements(self) -> None:
        """SQL that was just sent may drop prepared statements behind the count."""
        self.barrier = self.segment

    def in_doubt(self) -> bool:
        """What an earlier batch does to prepared statements is still to be seen."""
        if not self.counting:
            return False
        if 0 <= self.barrier < self.segment:
            return True
        if self.needs_fence and not self.in_request() and self._ready_is_due():
            return True
        earlier = False
        for entry in self.due.backwards():
            if answered_by_ready(entry):
                earlier = True
            elif earlier and (entry == UNNAMED_PARSE or isinstance(entry, Change)):
                return True
        return False
