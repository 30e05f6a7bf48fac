"""A look at the bytes of a text: can it matter at all?

Most texts cannot, and are never parsed. The words are those of the rules and effects;
a text without any of them, in any case, matches none. An identifier may be spelled
with escapes only after ``U&``, which therefore counts as a word. Some words matter only
where a statement begins: so an UPDATE is not parsed for its SET, nor an OFFSET.
"""

import re
from typing import Final

from pinwatch.pins.rules import RULES, WARNED

ENDINGS: Final = ("unlisten", "close")
"""Words of statements that do not pin, but end what the session holds."""

LEADING: Final = (
    "set",
    "reset",
    "deallocate",
    "discard",
    "listen",
    "load",
    *ENDINGS,
)
"""Words of statements that stand in no other statement."""


def _shortest(words: set[str]) -> tuple[bytes, ...]:
    """Without those that have another in them."""
    return tuple(
        sorted(
            word.encode()
            for word in words
            if not any(other != word and other in word for other in words)
        )
    )


WORDS: Final = _shortest(
    {word for rule in (*RULES, *WARNED) for word in rule.words} - {*LEADING} | {"u&"}
)
BEGINNINGS: Final = re.compile(
    rb"(?:\A|[;/])\s*(?:%s)" % b"|".join(word.encode() for word in LEADING)
)
"""A statement begins with the text, after a semicolon, or after a comment: one of C's
kind ends with a slash, and a text with one of SQL's kind is not looked at closely."""
SQL_COMMENT: Final = b"--"


def may_matter(sql: bytes) -> bool:
    """False only for a text that has no finding, no warning and no effect."""
    lowered = sql.lower()
    for word in WORDS:
        if word in lowered:
            return True
    return SQL_COMMENT in lowered or BEGINNINGS.search(lowered) is not None
