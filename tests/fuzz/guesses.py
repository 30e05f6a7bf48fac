"""Notes what a client sends that leaves pinwatch uncertain how many replies are due.

PostgreSQL does not report which messages it skipped or took for COPY data. A note holds
until the client is idle. After an error it stays uncertain which statements the
messages behind a Query in a batch, or behind a COPY, have prepared.
"""

from typing import Final

from tests.fuzz.actions import Action

QUERY_IN_BATCH: Final = "Query in a batch"
REQUEST_IN_COPY: Final = "request in a COPY"
SYNC_IN_COPY: Final = "Sync in a COPY"
FAILED_COPY: Final = "requests behind a failed COPY"

ENDS: Final = frozenset({"sync", "query", "call"})  # that ReadyForQuery answers
COPIES: Final = frozenset({"copy_data", "copy_done", "copy_fail", "flush"})
COPY_IN: Final = "FROM STDIN"


class Guesses:
    """The state of one client's requests, as far as its own messages show it."""

    def __init__(self) -> None:
        self.reasons: set[str] = set()
        self.batch_open = False  # extended messages were sent, and no Sync after them
        self.copies = 0  # whose end was not sent, if all of them began
        self.lasting: set[str] = set()
        self.prepares_copy = False  # a statement of the client may be a COPY

    def sent(self, action: Action) -> None:
        """Note one message."""
        if action.name in COPIES:
            self._copy(action.name)
            return
        if self.copies:
            sync = action.name == "sync"
            self.reasons.add(SYNC_IN_COPY if sync else REQUEST_IN_COPY)
        if action.name in ENDS:
            if self.batch_open and action.name != "sync":
                self.reasons.add(QUERY_IN_BATCH)
            self.batch_open = False
        else:
            self.batch_open = True
        self._begin_copies(action)

    def failed(self) -> None:
        """Note that the client has received an error."""
        self.lasting |= self.reasons & {QUERY_IN_BATCH}
        if self.reasons & {REQUEST_IN_COPY, SYNC_IN_COPY}:
            self.lasting.add(FAILED_COPY)
        self.reasons |= self.lasting

    def is_idle(self) -> None:
        """Note that the client has received all replies."""
        self.reasons = set(self.lasting)
        self.copies = 0

    def _copy(self, name: str) -> None:
        if name == "copy_done":
            self.copies = max(self.copies - 1, 0)
        elif name == "copy_fail":
            self.copies = 0

    def _begin_copies(self, action: Action) -> None:
        if action.name == "query":
            self.copies += str(action.arguments[0]).count(COPY_IN)
        elif action.name == "parse":
            text = str(action.arguments[1])
            self.prepares_copy = self.prepares_copy or COPY_IN in text
        elif action.name == "execute":
            self.copies += self.prepares_copy
