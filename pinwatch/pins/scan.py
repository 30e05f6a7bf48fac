"""A look at the bytes of a text: can it matter at all?

Most texts cannot, and are never parsed. The words are those of the rules and effects;
a text without any of them, in any case, matches none. An identifier may be spelled
with escapes only after ``U&``, which therefore counts as a word.
"""

from typing import Final

from pinwatch.pins.rules import RULES, WARNED

ENDINGS: Final = ("unlisten", "close")
"""Words of statements that do not pin, but end what the session holds."""


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
    {word for rule in RULES for word in rule.words}
    | {word for warned in WARNED for word in warned.words}
    | {*ENDINGS, "u&"}
)


def may_matter(sql: bytes) -> bool:
    """False only for a text that has no finding, no warning and no effect."""
    lowered = sql.lower()
    return any(word in lowered for word in WORDS)
