"""The watchlist: a file of the digests by which sessions pin in production.

Owns the file's JSON, which pinwatch report writes, and the matching by digest. The rule
does not have to match: in production it is inferred from the digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final, Self

from pinwatch.events import SessionPinned
from pinwatch.pins.alike import alike
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.reports.documents import SHARED, read_json, write_json
from pinwatch.text import duration, number_of, timestamp

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A digest of production; its figures are those of a row of pinwatch report."""

    rule: str
    digest: str
    count: int
    ahead: int
    calls: int
    pinned_seconds: float
    last: datetime | None

    @property
    def seen(self) -> str:
        """The figures, as in "812 pins, 3 h pinned, last 2026-11-30 10:01 UTC"."""
        parts = [
            number_of(count, noun)
            for count, noun in (
                (self.count, "pin"),
                (self.ahead, "warning"),
                (self.calls, "call"),
            )
            if count
        ]
        if self.pinned_seconds:
            parts.append(f"{duration(self.pinned_seconds)} pinned")
        if self.last is not None:
            parts.append(f"last {self.last:%Y-%m-%d %H:%M} UTC")
        return ", ".join(parts) or "without figures"

    def to_json(self) -> dict[str, Any]:
        last = None if self.last is None else timestamp(self.last)
        return asdict(self) | {"last": last}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Ignore unknown keys.

        Raises KeyError, TypeError, ValueError or OverflowError.
        """
        last, seconds = document["last"], float(document["pinned_seconds"])
        if not isfinite(seconds):
            raise ValueError(f"pinned_seconds is {seconds}")
        return cls(
            rule=str(document["rule"]),
            digest=str(document["digest"]),
            count=int(document["count"]),
            ahead=int(document["ahead"]),
            calls=int(document["calls"]),
            pinned_seconds=seconds,
            last=None if last is None else datetime.fromisoformat(last),
        )


class Watchlist:
    """Entries by digest, and the pins of production that no digest identifies.

    ``without_digest`` has the number of these pins by rule.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        without_digest: Mapping[str, int] | None = None,
    ) -> None:
        self.entries = {alike(entry.digest): entry for entry in entries}
        self.without_digest = without_digest or {}

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the file; raises SettingError."""
        return read_json(
            file,
            "watchlist",
            VERSION,
            lambda document: cls(map(Entry.from_json, document["pins"])),
        )

    def write(self, file: Path) -> None:
        """Replace the file; raises SettingError."""
        document = {
            "version": VERSION,
            "pins": [entry.to_json() for entry in self.entries.values()],
            "without_digest": self.without_digest,
        }
        write_json(file, document, SHARED)

    def find(self, pin: SessionPinned) -> Entry | None:
        """Return the entry with the pin's digest; that of a pin is cut at MAX_SQL."""
        text = alike(pin.digest)
        if len(pin.digest) < MAX_SQL:
            return self.entries.get(text)
        listed = self.entries.items()
        return next((one for digest, one in listed if digest.startswith(text)), None)

    def unmet(self, pins: Iterable[SessionPinned]) -> list[Entry]:
        """Return the entries that match none of these pins."""
        met = {entry.digest for pin in pins if (entry := self.find(pin)) is not None}
        return [entry for entry in self.entries.values() if entry.digest not in met]
