"""Verdicts by text, remembered: a text seen before costs one look into a dictionary.

Bounded in texts and in bytes. What was not asked for lately goes first, by generations:
when the younger one is half of what may be kept, the older one is forgotten and the
younger one becomes it. So a look at a text in use changes no order.
"""

from typing import Final

from pinwatch.pins.profiles import DEFAULT, Profile
from pinwatch.pins.scan import may_matter
from pinwatch.pins.verdict import Verdict, verdict

MAX_TEXTS: Final = 8_192
MAX_BYTES: Final = 8 * 1024 * 1024
OVERHEAD: Final = 128  # bytes of an entry beside its text


class VerdictCache:
    """known may be looked into directly; what is not there is found by ``look``."""

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
        self.older: dict[bytes, Verdict | None] = {}
        self.size = 0  # bytes of known
        self.misses = 0

    def follow(self, profile: Profile) -> None:
        """Judge by profile from now on."""
        if profile is not self.profile:
            self.profile = profile
            self.known.clear()
            self.older.clear()
            self.size = 0

    def look(self, sql: bytes) -> Verdict | None:
        """None where there is nothing to say: no finding, warning or effect."""
        if sql in self.known:
            return self.known[sql]
        if sql in self.older:
            found = self.older.pop(sql)
        else:
            self.misses += 1
            found = self._judge(sql) if may_matter(sql) else None
        self._keep(sql, found)
        return found

    def _keep(self, sql: bytes, found: Verdict | None) -> None:
        size = len(sql) + OVERHEAD
        full = len(self.known) >= self.max_texts // 2
        if full or self.size + size > self.max_bytes // 2:
            self.older, self.known, self.size = self.known, {}, 0
        self.known[sql] = found
        self.size += size

    def _judge(self, sql: bytes) -> Verdict | None:
        found = verdict(sql, self.profile)
        return found if found.findings or found.warnings or found.effects else None
