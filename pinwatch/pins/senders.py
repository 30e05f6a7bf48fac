"""The driver that sends a text: for certain by the SQL itself, or likely by its digest.

Logs and statistics have digests only, in which the constants that distinguish drivers
are replaced. Several drivers may share a digest, and an application may send the same.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from pinwatch.pins.advice import Advice, Entry, advice, bare, entries
from pinwatch.pins.alike import alike
from pinwatch.pins.digest import digest
from pinwatch.pins.tokens import LATEST, PARAMETER, tokens
from pinwatch.pins.verdict import Finding, Verdict

CERTAIN: Final = "certain"
LIKELY: Final = "likely"


@dataclass(frozen=True, slots=True)
class Advised:
    """Advice on a finding, with the driver that sends the text, or an empty string.

    certainty is CERTAIN, LIKELY, or empty without a driver.
    """

    text: str
    driver: str = ""
    certainty: str = ""
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the advice with its driver, as in "Fix (likely Prisma): ..."."""
        return f"Fix ({self.by}): {self.text}" if self.driver else f"Fix: {self.text}"

    @property
    def by(self) -> str:
        """The driver as it is shown, as in "likely Prisma"."""
        return f"likely {self.driver}" if self.certainty == LIKELY else self.driver


def advise(verdict: Verdict, finding: Finding) -> Advised:
    """Return the advice on a finding in a text that may be a digest."""
    found = advice(verdict, finding)
    likely = _senders(verdict.text, finding.rule)
    names = _joined(found.driver, *(entry.advice.driver for entry in likely))
    if names == found.driver:
        certainty = CERTAIN if names else ""
        return Advised(found.text, names, certainty, found.sources)
    return Advised(_text(found, likely), names, LIKELY, found.sources)


def _text(found: Advice, likely: tuple[Entry, ...]) -> str:
    """Return the advice, and that of the only driver that is likely."""
    if found.driver or len(likely) > 1:
        return found.text
    (entry,) = likely
    return f"{found.text} If {entry.advice.driver} sends it: {entry.advice.text}"


def _joined(*drivers: str) -> str:
    return " or ".join(dict.fromkeys(filter(None, drivers)))


@lru_cache(LATEST)
def _senders(text: str, rule: str) -> tuple[Entry, ...]:
    """Return the drivers' entries whose example has this digest."""
    if not any(token.kind == PARAMETER for token in tokens(text).code):
        return ()
    found = _by_digest().get(_key(text), ())
    return tuple(entry for entry in found if rule in entry.rules)


@cache
def _by_digest() -> dict[str, tuple[Entry, ...]]:
    found: dict[str, tuple[Entry, ...]] = {}
    for entry in entries():
        if entry.advice.driver and entry.example:
            key = _key(digest(entry.example))
            found[key] = (*found.get(key, ()), entry)
    return found


def _key(text: str) -> str:
    return bare(alike(text))
