"""Tests whether a text can matter, and whether it is expensive, before it is parsed.

Most texts cannot matter, and are never parsed. The words are those of the rules and
effects; a text without any of them, in capitals or not, matches none. An identifier may
be spelled with escapes only after ``U&``, which therefore counts as a word. Some words
matter only where a statement begins. An UPDATE is therefore not parsed for its SET, nor
a SELECT for its OFFSET.
"""

import re
from typing import Final

from pinwatch.pins.rules import RULES, WARNED

ENDINGS: Final = ("unlisten", "close", "drop")
"""Words of statements that do not pin, but release state of the session."""

LEADING: Final = (
    "set",
    "reset",
    "deallocate",
    "discard",
    "listen",
    "load",
    *ENDINGS,
)
"""Words that matter only at the beginning of a statement."""


def _shortest(words: set[str]) -> tuple[bytes, ...]:
    """Return the words that contain no other word, sorted."""
    return tuple(
        sorted(
            word.encode()
            for word in words
            if not any(other != word and other in word for other in words)
        )
    )


DEFAULTS_VIEW: Final = "pg_settings"
"""The view that shows the default of each setting, and where it comes from."""

WORDS: Final = _shortest(
    {word for rule in (*RULES, *WARNED) for word in rule.words} - {*LEADING}
    | {DEFAULTS_VIEW, "u&"}
)
MARKS: Final = (b"val", b"are", b"exec", b"advis", b"temp", b"set_c", b"g_set", b"u&")
"""Each word contains one of these few; most texts contain none."""

MANIPULATING: Final = frozenset((b"select", b"insert", b"update", b"delete"))
"""The first words of most statements; such a statement contains no other command."""

VALUES: Final = tuple(word for word in WORDS if b"val" in word)
"""Functions of sequences; their mark, ``val``, is also in the word VALUES."""

BEGINNING: Final = re.compile(rb"\s*(?:%s)" % b"|".join(w.encode() for w in LEADING))
LATER_BEGINNING: Final = re.compile(rb"[;/]%s" % BEGINNING.pattern)
"""A statement begins at the start of the text, after a semicolon, or after a comment. A
``/* */`` comment ends with a slash. Any text with ``--`` may matter."""

# The fastest searches are ``in`` with a number for one byte, and find() for several.
SEMICOLON, BRACKET, AMPERSAND, SLASH = b";(&/"


CHEAP: Final = 1_024
"""Bytes up to which any text is judged in a few milliseconds."""

CHEAP_MARKS: Final = 512
"""Bytes other than letters, digits and underscores up to which a longer text is judged
in a few milliseconds, too."""

WORD_BYTES: Final = bytes(
    byte for byte in range(256) if byte >= 0x80 or chr(byte).isalnum() or byte == 0x5F
)


def is_expensive(sql: bytes) -> bool:
    """Return True if a verdict on sql may take more than a few milliseconds.

    The number of tokens makes a text expensive. A text has at most twice as many tokens
    as bytes of the kind that CHEAP_MARKS limits. Takes constant time for short texts,
    and linear time for others.
    """
    return len(sql) > CHEAP and len(sql.translate(None, WORD_BYTES)) > CHEAP_MARKS


def may_matter(sql: bytes) -> bool:
    """Return False only for a text whose verdict does not matter."""
    lowered = sql.lower()
    if lowered[:6] in MANIPULATING and SEMICOLON not in lowered[:-1]:
        return _manipulation_may_matter(lowered)
    for mark in MARKS:
        if lowered.find(mark) >= 0:
            return _has(WORDS, lowered) or _begins(lowered)
    return _begins(lowered)


def _manipulation_may_matter(lowered: bytes) -> bool:
    """Return what ``may_matter`` does, for one statement that reads or writes rows.

    Of all that matters, such a statement can only call a function, create a table, or
    read pg_settings.
    """
    if lowered.find(b"g_set") >= 0:
        return True
    if BRACKET in lowered:
        if lowered.find(b"advis") >= 0 or lowered.find(b"set_c") >= 0:
            return True
        if lowered.find(b"val") >= 0 and _has(VALUES, lowered):
            return True
    return lowered.find(b"temp") >= 0 or (AMPERSAND in lowered and b"u&" in lowered)


def _has(words: tuple[bytes, ...], lowered: bytes) -> bool:
    return any(lowered.find(word) >= 0 for word in words)


def _begins(lowered: bytes) -> bool:
    """Return True if a statement of the text may begin with one of LEADING."""
    if BEGINNING.match(lowered) or lowered.find(b"--") >= 0:
        return True
    if SEMICOLON not in lowered[:-1] and SLASH not in lowered:
        return False
    return LATER_BEGINNING.search(lowered) is not None
