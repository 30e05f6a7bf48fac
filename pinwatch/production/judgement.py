"""The verdict on text that was not read from a client: a digest, or a logged statement.

Such text has placeholders, and may be cut. If PostgreSQL's grammar refuses it in all
readings, it is judged by its tokens.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pinwatch.pins.readings import best_reading
from pinwatch.pins.senders import Advised, advise
from pinwatch.pins.verdict import Finding, Verdict, oversize

MAX_TEXTS: Final = 4_096
UNKNOWN: Final = "unknown"
"""The rule of a pin whose line does not say what pinned."""
PARSE_MESSAGE: Final = "parse_message"
OUTDATED: Final = (
    "RDS Proxy logged this until November 2023 only; a Parse message no longer pins."
)
NO_DIGEST: Final = (
    "The log does not say which statement it was: look for the line with the same "
    "clientConnection before it."
)
NO_RULE: Final = (
    "No rule of pinwatch matches this digest, which may be cut off. Judge the whole "
    "statement by pinwatch explain."
)


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a pin: its rule, and the fix."""

    rule: str
    fix: Advised
    contested: bool = False


@lru_cache(MAX_TEXTS)
def judged(sql: str) -> Verdict:
    """Return the verdict on a text, whose placeholders may need values."""
    return best_reading(sql)


@lru_cache(MAX_TEXTS)
def cause_of(reason: str, digest: str) -> Cause:
    """Return what pinned, from the reason and the digest that RDS Proxy logged."""
    if "byte limit" in reason:
        return oversize_cause()
    if "parse message" in reason.lower():
        return Cause(PARSE_MESSAGE, Advised(OUTDATED))
    if not digest:
        return Cause(UNKNOWN, Advised(NO_DIGEST))
    return first_cause(judged(digest)) or Cause(UNKNOWN, Advised(NO_RULE))


def oversize_cause() -> Cause:
    """Return the cause of a pin by a statement that is too long."""
    found = oversize(b"")
    return _cause(found, found.findings[0])


def first_cause(found: Verdict) -> Cause | None:
    """Return the first certain finding as a cause, else the first contested one."""
    return _cause(found, found.decisive[0]) if found.decisive else None


def _cause(found: Verdict, finding: Finding) -> Cause:
    return Cause(finding.rule, advise(found, finding), finding.contested)
