"""Counts by rule over time, in a bounded number of buckets of equal width."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

MAX_BUCKETS: Final = 240
WIDTHS: Final = (1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_419_200)
"""Seconds of a bucket, up to four weeks; the least that suffices is taken."""


class Timeline:
    """Counts by rule. Its memory does not grow with the time that it covers."""

    def __init__(self) -> None:
        self.width = WIDTHS[0]
        self._buckets: dict[int, Counter[str]] = {}  # by time, in widths since 1970
        self._first = self._last = 0  # keys of _buckets, if there are any

    def add(self, rule: str, at: datetime) -> None:
        seconds = int(at.timestamp())
        self._count(seconds // self.width, Counter((rule,)))
        while self._last - self._first >= MAX_BUCKETS and self.width < WIDTHS[-1]:
            self._widen()

    def __iter__(self) -> Iterator[tuple[datetime, Counter[str]]]:
        """Yield start and counts of each bucket, without gaps, in order."""
        if self._buckets:
            for number in range(self._first, self._last + 1):
                start = datetime.fromtimestamp(number * self.width, UTC)
                yield start, self._buckets.get(number, Counter())

    def _count(self, number: int, counts: Counter[str]) -> None:
        if not self._buckets:
            self._first = self._last = number
        self._first = min(self._first, number)
        self._last = max(self._last, number)
        self._buckets.setdefault(number, Counter()).update(counts)

    def _widen(self) -> None:
        old, self._buckets = self._buckets, {}
        width, self.width = self.width, WIDTHS[WIDTHS.index(self.width) + 1]
        for number, counts in old.items():
            self._count(number * width // self.width, counts)
