"""The time, read once for each round of the event loop.

Reading the system's clock costs more than most other steps of a statement. Everything
that one wait of the loop brings has happened at the same time.
"""

from time import monotonic


class Clock:
    """Holds in ``now`` the monotonic time in seconds at which the round began."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = monotonic()

    def read(self) -> None:
        """Set ``now``; the poller calls this when a round begins."""
        self.now = monotonic()
