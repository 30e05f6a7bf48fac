"""What streams write in one round, and its end, at which all of it goes out.

Who is told something may take the processor from whoever told it, at the end of each
system call; so there is one for all of them, where the system has such a call.
"""

from typing import Any

from mypy_extensions import i64, trait

from pinwatch.sockets.calls import send_all


@trait
class Writer:
    """Who has put something here."""

    __slots__ = ()

    def refused(self, data: bytes, taken: int) -> None:
        """So many bytes of it were taken; negative is the number of the error.

        Nobody hears of it yet.
        """

    def pause_if_full(self) -> None:
        """Everybody knows by now what was refused."""


class Outbox:
    """Written by streams; a stream has one piece in it at most."""

    __slots__ = ("_pieces", "round")

    def __init__(self) -> None:
        self.round: i64 = 0  # that is going on
        self._pieces: list[Any] = []  # who, the descriptor, and the bytes of each

    def put(self, who: Writer, fd: object, data: bytes) -> int:
        """Send it when the round ends; the round."""
        pieces = self._pieces
        pieces.append(who)
        pieces.append(fd)
        pieces.append(data)
        return self.round

    def send(self) -> None:
        """End the round."""
        while self._pieces:
            self.round += 1
            refused = send_all(self._pieces)
            for who, data, taken in refused:
                who.refused(data, taken)
            for who, _, _ in refused:
                who.pause_if_full()
