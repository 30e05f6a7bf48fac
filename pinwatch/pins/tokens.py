"""A text's tokens: where its trigger words stand, and what it is when it has no tree.

Owns what is read off tokens alone. Positions are in characters.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pglast.parser import ParseError, Token, scan

from pinwatch.pins.rules import RULES, Rule

BRACKET: Final = "ASCII_40"
CLOSING: Final = "ASCII_41"
SEMICOLON: Final = "ASCII_59"
COMMENTS: Final = ("C_COMMENT", "SQL_COMMENT")
KEYWORDS: Final = {
    "set": ("SET",),
    "reset": ("RESET",),
    "prepare": ("PREPARE",),
    "execute": ("EXECUTE",),
    "deallocate": ("DEALLOCATE",),
    "discard": ("DISCARD",),
    "temp_object": ("TEMP", "TEMPORARY"),
    "declare_cursor": ("DECLARE",),
    "listen": ("LISTEN",),
    "load": ("LOAD",),
}
"""The words of a statement that trigger a rule, by the rule's code."""
AFTER: Final = {
    "temp_object": ("CREATE", "REPLACE", "LOCAL", "GLOBAL", "INTO"),
    "execute": ("", "AS", "EXPLAIN", "ANALYZE", "ANALYSE", "VERBOSE", CLOSING),
}
"""What goes before such a word: elsewhere it may be the name of a column or table."""
HEAD: Final = 5  # tokens in which CREATE ... TEMP says so
NOT_SESSION: Final = ("TRANSACTION", "CONSTRAINTS")


class Span(NamedTuple):
    """Characters of a text, from start to before end."""

    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Without comments; empty where not even tokens can be told apart."""
    try:
        return [token for token in scan(text) if token.name not in COMMENTS]
    except ParseError:
        return []


def keyword(text: str, code: str) -> Span | None:
    """Where text has the word that triggers the rule."""
    before = ""
    for token in tokens(text):
        if token.name in KEYWORDS.get(code, ()) and before in AFTER.get(
            code, (before,)
        ):
            return Span(token.start, token.end + 1)
        before = token.name
    return None


def split(text: str) -> Iterator[list[Token]]:
    """The tokens of each statement."""
    statement: list[Token] = []
    for token in tokens(text):
        if token.name == SEMICOLON:
            if statement:
                yield statement
            statement = []
        else:
            statement.append(token)
    if statement:
        yield statement


def leading_rule(statement: list[Token]) -> Rule | None:
    """The rule that a statement breaks by the words that it begins with."""
    names = [token.name for token in statement[:HEAD]]
    first, second = names[0], names[1] if len(names) > 1 else ""
    if first in ("SET", "PREPARE") and second in NOT_SESSION:
        return None
    if first == "CREATE":
        code = "temp_object" if {"TEMP", "TEMPORARY"} & set(names) else ""
    else:
        code = next((code for code, words in KEYWORDS.items() if first in words), "")
    rules = [rule for rule in RULES if rule.code == code]
    if code == "set" and second == "LOCAL":
        rules.reverse()
    return rules[0] if rules else None


def called(text: str) -> Iterator[tuple[str, Span]]:
    """The names of functions that text calls, without a schema or in pg_catalog."""
    before = ("", "")
    found = tokens(text)
    for at, token in enumerate(found[:-1]):
        word = text[token.start : token.end + 1]
        name = word[1:-1] if word.startswith('"') else word.lower()
        if found[at + 1].name == BRACKET and before in (
            ("", ""),
            ("pg_catalog", "."),
        ):
            yield name, Span(token.start, token.end + 1)
        if token.name == "ASCII_46":
            before = (before[0], ".")
        elif at + 1 < len(found) and found[at + 1].name == "ASCII_46":
            before = (name, "")
        else:
            before = ("", "")
