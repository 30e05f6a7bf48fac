"""The digest of a text, as RDS Proxy logs it: its constants replaced.

The rule, inferred from logged digests: libpg_query's normalize, in lower case, with
white space folded. A trailing semicolon stays.
"""

from itertools import count
from typing import Final

from pglast.parser import ParseError, normalize

from pinwatch.pins.tokens import CONSTANT, PARAMETER, UNFINISHED, tokens

REPLACED: Final = (CONSTANT, UNFINISHED)
MAX_DIGITS: Final = 9  # of a parameter's number


def digest(text: str) -> str:
    """Return the digest of text, by its tokens if the grammar refuses it."""
    try:
        return fold(normalize(text))
    except ParseError:
        return digest_of_tokens(text)


def digest_of_tokens(text: str) -> str:
    """Return the digest of text by its tokens; constants such as TRUE stay."""
    found = tokens(text).all
    used = [text[t.start + 1 : t.end] for t in found if t.kind == PARAMETER]
    highest = max((int(n) for n in used if len(n) <= MAX_DIGITS), default=0)
    numbers = count(highest + 1)
    pieces: list[str] = []
    end = 0
    for token in found:
        if token.kind in REPLACED:
            pieces += text[end : token.start], f"${next(numbers)}"
            end = token.end
    return fold("".join([*pieces, text[end:]]))


def fold(text: str) -> str:
    return " ".join(text.lower().split())
