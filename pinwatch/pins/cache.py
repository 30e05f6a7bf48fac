"""Verdicts by text, remembered: a text seen before costs one look into a dictionary.

Bounded in texts and in bytes. What is known longest goes first; a text in use is
judged again soon, which costs less than keeping order at each look.
"""

from typing import Final

from pinwatch.pins.profiles import DEFAULT, Profile
from pinwatch.pins.scan import may_matter
from pinwatch.pins.verdict import Verdict, verdict

MAX_TEXTS: Final = 4_096
MAX_BYTES: Final = 4 * 1024 * 1024
OVERHEAD: Final = 128  # bytes of an entry beside its text


class VerdictCache:
    """known may be looked into directly; what is not there is judged by ``look``."""

    def __init__(
        self,
        profile: Profile = DEFAULT,
        max_texts: int = MAX_TEXTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.profile = profile
        self.max_texts = max_texts
        self.max_bytes = max_bytes
        self.known: dict[bytes, Verdict | None] = {}
        self.size = 0
        self.misses = 0

    def look(self, sql: bytes) -> Verdict | None:
        """None where there is nothing to say: no finding, warning or effect."""
        known = self.known
        if sql in known:
            return known[sql]
        self.misses += 1
        found = self._judge(sql) if may_matter(sql) else None
        self.size += len(sql) + OVERHEAD
        while known and (len(known) >= self.max_texts or self.size > self.max_bytes):
            oldest = next(iter(known))
            del known[oldest]
            self.size -= len(oldest) + OVERHEAD
        known[sql] = found
        return found

    def _judge(self, sql: bytes) -> Verdict | None:
        found = verdict(sql, self.profile)
        return found if found.findings or found.warnings or found.effects else None
