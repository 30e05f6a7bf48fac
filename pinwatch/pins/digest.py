"""The digest of a text, as RDS Proxy logs it: its constants replaced.

The rule was read off logged digests: libpg_query's normalize, lower case, white space
folded; a trailing semicolon stays.
"""

from itertools import count
from typing import Final

from pglast.parser import ParseError, normalize, scan

CONSTANTS: Final = ("ICONST", "FCONST", "SCONST", "USCONST", "BCONST", "XCONST")
PARAMETER: Final = "PARAM"


def digest(text: str) -> str:
    try:
        return fold(normalize(text))
    except ParseError:
        return digest_of_tokens(text)


def digest_of_tokens(text: str) -> str:
    """Without a tree: words that are constants stay. Without tokens: the text."""
    try:
        found = scan(text)
    except ParseError:
        return fold(text)
    used = [text[t.start + 1 : t.end + 1] for t in found if t.name == PARAMETER]
    numbers = count(max(map(int, used), default=0) + 1)
    pieces: list[str] = []
    end = 0
    for token in found:
        if token.name in CONSTANTS:
            pieces += text[end : token.start], f"${next(numbers)}"
            end = token.end + 1
    return fold("".join([*pieces, text[end:]]))


def fold(text: str) -> str:
    return " ".join(text.lower().split())
