"""A cache of verdicts by text: a known text costs one look-up in a dictionary.

A text that is expensive to judge belongs in a worker thread. If ``defers`` is true,
``look`` raises Expensive on such a text, unless its verdict is known. The caller then
runs ``verdict.judge(sql, profile)`` in a thread, hands the verdict to ``remember`` on
the event loop, and calls ``look`` again. Only the event loop uses the cache itself.

No word that matters has a digit in it. A text without such words is therefore kept with
0 for each digit, and serves all texts that differ only in digits.

Two generations bound the cache, in texts and in bytes: when the younger one has half of
the maximum, the older one is dropped and the younger one takes its place. A text that
is found in the older one moves to the younger one. Texts in frequent use are therefore
in the younger one, where a look-up moves nothing.
"""

from sys import getsizeof
from typing import Final

from pinwatch.pins.profiles import DEFAULT, Profile
from pinwatch.pins.scan import is_expensive, may_matter
from pinwatch.pins.unseen import may_run_code
from pinwatch.pins.verdict import MAX_OUTLINE, Verdict, verdict

MAX_TEXTS: Final = 8_192
MAX_BYTES: Final = 8 * 1024 * 1024
OVERHEAD: Final = 128  # bytes of an entry besides its text
VERDICT: Final = 320  # bytes of a verdict besides its texts, findings, ...
FINDING: Final = 320  # bytes of a finding or a warning besides its statement
EFFECT: Final = 200  # bytes of an effect with its name, besides its value

ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")


class Expensive(Exception):
    """A worker thread has to judge the text first."""


class Generation:
    """Verdicts by text, and texts that are harmless whatever their digits are."""

    __slots__ = ("harmless", "known", "size")

    def __init__(self) -> None:
        self.known: dict[bytes, Verdict | None] = {}
        self.harmless: dict[bytes, None] = {}
        self.size = 0  # bytes of all entries

    def __len__(self) -> int:
        return len(self.known) + len(self.harmless)


class VerdictCache:
    """Verdicts by one profile; a text that is not cached is judged."""

    __slots__ = (
        "_latest",
        "_latest_alike",
        "_old",
        "_young",
        "defers",
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
        defers: bool = False,
    ) -> None:
        self.profile = profile
        self.parse_pins = profile.parse_pins
        self.max_texts = max_texts
        self.max_bytes = max_bytes
        self.defers = defers
        self.misses = 0
        self._young = Generation()
        self._old = Generation()
        self._latest = b""  # the last harmless text; the empty one is harmless
        self._latest_alike = b""
        self.latest_definition = b""  # of the last Parse of a harmless text

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def size(self) -> int:
        """The size of the cache, in bytes."""
        return self._young.size + self._old.size

    def follow(self, profile: Profile) -> None:
        """Judge by profile from now on; drop the verdicts by another profile."""
        if profile is not self.profile:
            self.profile, self.parse_pins = profile, profile.parse_pins
            self._young, self._old = Generation(), Generation()
            self._latest = self._latest_alike = self.latest_definition = b""

    def look(self, sql: bytes) -> Verdict | None:
        """Return the verdict on sql; None if it does not matter.

        Raises Expensive if the cache defers, and sql is expensive and unknown.
        """
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
        """Return what ``look`` does; definition is the Parse message after its name."""
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
            old.size -= len(sql) + weight(found)
            self._room(sql, weight(found)).known[sql] = found
        elif not self._may_matter(alike):
            self.misses += 1
            self._room(alike).harmless[alike] = None
        elif self.defers and is_expensive(sql):
            raise Expensive
        else:
            found = self.remember(sql, verdict(sql, self.profile), self.profile)
        return found

    def _may_matter(self, sql: bytes) -> bool:
        if self.profile.notes_unseen and may_run_code(sql):
            return True
        return may_matter(sql)

    def remember(self, sql: bytes, found: Verdict, profile: Profile) -> Verdict | None:
        """Cache the verdict on sql, unless the cache has another profile by now."""
        said = found if found.matters else None
        if profile is self.profile:
            self.misses += 1
            self._room(sql, weight(said)).known[sql] = said
        return said

    def _room(self, text: bytes, overhead: int = OVERHEAD) -> Generation:
        """Reserve room for one more text; return the young generation."""
        size = len(text) + overhead
        full = len(self._young) >= self.max_texts // 2
        if full or self._young.size + size > self.max_bytes // 2:
            self._old, self._young = self._young, Generation()
        self._young.size += size
        return self._young


def weight(found: Verdict | None) -> int:
    """Return about how many bytes an entry takes besides its text."""
    if found is None:
        return OVERHEAD
    text = getsizeof(found.text)
    size = OVERHEAD + VERDICT + 2 * text + min(text, MAX_OUTLINE)  # digest and outline
    for finding in found.findings:
        size += FINDING
        if finding.statement is not found.text:
            size += getsizeof(finding.statement)
    for warning in found.warnings:
        size += FINDING + getsizeof(warning.statement)
    for effect in found.effects:
        size += EFFECT + getsizeof(effect.value)
    return size + sum(map(getsizeof, found.unseen))
