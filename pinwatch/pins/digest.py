"""The digest of a text, as RDS Proxy logs it: its constants replaced.

The rule was read off logged digests: libpg_query's normalize, lower case, white space
folded; a trailing semicolon stays.
"""

from pglast.parser import ParseError, normalize


def digest(text: str) -> str:
    """The text itself, folded, where it cannot be normalized."""
    try:
        normalized = normalize(text)
    except ParseError:
        normalized = text
    return fold(normalized)


def fold(text: str) -> str:
    return " ".join(text.lower().split())
