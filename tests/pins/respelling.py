"""Other spellings of SQL: case, white space, comments, quoting.

Owns spellings that PostgreSQL takes for the same statement.
"""

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st
from pglast.parser import ParseError, Token, scan

GAPS: Final = (
    " ",
    "\n",
    "\t ",
    " /* SET x = 1; */ ",
    "\n-- DISCARD ALL\n",
    "/*/**/*/ ",
)
COMMENTS: Final = ("C_COMMENT", "SQL_COMMENT")
NO_KEYWORD: Final = "NO_KEYWORD"
LITERALS: Final = ("SCONST", "USCONST", "XCONST", "BCONST")


def spelled(token: Token, text: str, draw: Callable[[int], int]) -> str:
    """One token, another way; draw gives a number below another."""
    word = text[token.start : token.end + 1]
    if token.kind != NO_KEYWORD:
        return "".join(c.swapcase() if draw(2) else c for c in word)
    if token.name != "IDENT" or not word.isidentifier() or not word.isascii():
        return word
    name = word.lower()
    return (
        word.upper(),
        word,
        f'"{name}"',
        f'U&"\\{ord(name[0]):04x}{name[1:]}"',
    )[draw(4)]


@st.composite
def respellings(draw: st.DrawFn, text: str) -> str:
    """Draw another spelling of text, which has tokens."""

    def number(below: int) -> int:
        return draw(st.integers(0, below - 1))

    out = draw(st.sampled_from(("", *GAPS)))
    before = ""
    for token in scan(text):
        if token.name in COMMENTS:
            continue
        if before in LITERALS and token.name in LITERALS:
            out += "\n"
        elif before:
            out += draw(st.sampled_from(GAPS))
        out += spelled(token, text, number)
        before = token.name
    return out + draw(st.sampled_from(("", ";", *GAPS)))


def has_tokens(text: str) -> bool:
    try:
        return bool(scan(text))
    except ParseError:
        return False
