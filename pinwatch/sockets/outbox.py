"""Collects the data that streams write, and sends it as a batch.

A system call that sends may wake the peer, which then takes the processor from this
process. One call that sends the whole batch makes this rarer, on systems that have such
a call.
"""

from typing import Any

from mypy_extensions import i64, trait

from pinwatch.sockets.calls import new_sender


@trait
class Writer:
    """The writer of a piece of data; receives the part that the socket did not take."""

    __slots__ = ()

    def refused(self, data: bytes, taken: int) -> None:
        """Keep the rest of data; taken is the number of sent bytes or -errno.

        Must not call other streams, whose ``refused`` may not have been called yet.
        """

    def pause_if_full(self) -> None:
        """Apply back-pressure; called after all ``refused`` calls of the batch."""


class Outbox:
    """Holds at most one piece of data for each stream until ``send``."""

    __slots__ = ("_pieces", "_sender", "batch")

    def __init__(self) -> None:
        self.batch: i64 = 0  # the number of the current batch
        self._pieces: list[Any] = []  # writer, descriptor and bytes, one after another
        self._sender = new_sender()

    def put(self, writer: Writer, fd: object, data: bytes) -> int:
        """Add data to the current batch; return the number of the batch."""
        pieces = self._pieces
        pieces.append(writer)
        pieces.append(fd)
        pieces.append(data)
        return self.batch

    def send(self) -> None:
        """Send the batch, and data that writers add meanwhile.

        The poller calls this at the end of each round; a stream may call it earlier.
        """
        while self._pieces:
            self.batch += 1
            pieces, self._pieces = self._pieces, []
            unsent = self._sender.send(pieces)
            for writer, data, taken in unsent:
                writer.refused(data, taken)
            for writer, _, _ in unsent:
                writer.pause_if_full()

    def close(self) -> None:
        """Free the sender's memory in the kernel."""
        self._sender.close()
