"""What time it is, for all that happens in one round of the event loop.

A look at the system's clock costs a statement more than most of its other steps, and
whatever one wait of the loop brings, it brings at the same time.
"""

from time import monotonic


class Clock:
    """now is of the system's monotonic clock, in seconds, as the round began."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = monotonic()

    def read(self) -> None:
        """A new round begins."""
        self.now = monotonic()
