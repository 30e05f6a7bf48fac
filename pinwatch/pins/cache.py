"""Verdicts by text, remembered: a text seen before costs a look into a dictionary.

A text in which no word matters has no other verdict when its numbers are others, since
no word that matters has a digit in it: such texts are remembered with 0 for each digit.

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

ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")


class Generation:
    """Verdicts by text, and texts that are harmless whatever their digits are."""

    __slots__ = ("harmless", "known", "size")

    def __init__(self) -> None:
        self.known: dict[bytes, Verdict | None] = {}
        self.harmless: dict[bytes, None] = {}
        self.size = 0  # bytes of all texts, with what they are kept in

    def __len__(self) -> int:
        return len(self.known) + len(self.harmless)


class VerdictCache:
    """What is not there is found by parsing, unless a look at its bytes is enough."""

    __slots__ = (
        "_latest",
        "_latest_alike",
        "_old",
        "_young",
        "latest_definition",
        "max_bytes",
        "max_texts",
        "misses",
        "parse_pins",
        "profile",
    )

    def __init__(
        self,
        profile: Profile = DEFAULT,
        max_texts: int = MAX_TEXTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.profile = profile
        self.parse_pins = profile.parse_pins
        self.max_texts = max_texts
        self.max_bytes = max_bytes
        self.misses = 0
        self._young = Generation()
        self._old = Generation()
        self._latest = b""  # the last harmless text; that of no statement is one
        self._latest_alike = b""
        self.latest_definition = b""  # of a Parse, of which there was nothing to say

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def size(self) -> int:
        """In bytes."""
        return self._young.size + self._old.size

    def follow(self, profile: Profile) -> None:
        """Judge by profile from now on."""
        if profile is not self.profile:
            self.profile, self.parse_pins = profile, profile.parse_pins
            self._young, self._old = Generation(), Generation()
            self._latest = self._latest_alike = self.latest_definition = b""

    def look(self, sql: bytes) -> Verdict | None:
        """None where there is nothing to say: no finding, warning or effect."""
        if sql == self._latest:
            return None
        alike = sql.translate(ALIKE)
        if alike == self._latest_alike:
            self._latest = sql
            return None
        young = self._young
        if alike in young.harmless:
            self._latest, self._latest_alike = sql, alike
            return None
        if sql in young.known:
            return young.known[sql]
        return self._look_further(sql, alike)

    def look_at_parse(self, sql: bytes, definition: bytes) -> Verdict | None:
        """As ``look``; definition is sql and what follows it in its Parse."""
        found = self.look(sql)
        if found is None and not self.parse_pins:
            self.latest_definition = definition
        return found

    def _look_further(self, sql: bytes, alike: bytes) -> Verdict | None:
        old = self._old
        found: Verdict | None = None
        if alike in old.harmless:
            del old.harmless[alike]
            old.size -= len(alike) + OVERHEAD
            self._room(alike).harmless[alike] = None
        elif sql in old.known:
            found = old.known.pop(sql)
            old.size -= len(sql) + OVERHEAD
            self._room(sql).known[sql] = found
        else:
            self.misses += 1
            if may_matter(alike):
                found = self._judge(sql)
                self._room(sql).known[sql] = found
            else:
                self._room(alike).harmless[alike] = None
        return found

    def _room(self, text: bytes) -> Generation:
        """The young generation, with room for one text more."""
        size = len(text) + OVERHEAD
        full = len(self._young) >= self.max_texts // 2
        if full or self._young.size + size > self.max_bytes // 2:
            self._old, self._young = self._young, Generation()
        self._young.size += size
        return self._young

    def _judge(self, sql: bytes) -> Verdict | None:
        found = verdict(sql, self.profile)
        return found if found.findings or found.warnings or found.effects else None
