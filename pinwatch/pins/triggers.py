"""The words of a text that trigger a rule, and where they stand.

Converts positions of the parser, which are in bytes, to characters, and finds the words
of a node that a person would mark.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from pinwatch.pins.rules import Fields, Rule
from pinwatch.pins.tokens import Span, Token

KEYWORDS: Final = {
    "set": ("set",),
    "reset": ("reset",),
    "prepare": ("prepare",),
    "execute": ("execute",),
    "deallocate": ("deallocate",),
    "discard": ("discard",),
    "temp_object": ("temp", "temporary"),
    "declare_cursor": ("declare",),
    "listen": ("listen",),
    "load": ("load",),
}
"""The words of a statement that trigger a rule, by the rule's code."""
AFTER: Final = {
    "temp_object": ("create", "replace", "local", "global", "into"),
    "execute": ("", "as", "explain", "analyze", "analyse", "verbose", ")"),
}
"""The words that precede a trigger word. After any other word, it may be the name of a
column or table."""
START: Final = attrgetter("start")


def characters(text: str) -> Callable[[int], int]:
    """Return a function that converts an index in bytes of UTF-8 to characters."""
    if text.isascii():
        return lambda at: at
    ends: list[int] = []
    size = 0
    for character in text:
        size += len(character.encode("utf-8", "replace"))
        ends.append(size)
    return lambda at: bisect_left(ends, at + 1)


class Triggers:
    """Finds the trigger of a rule among the tokens of a text."""

    def __init__(self, code: Sequence[Token]) -> None:
        self.code = code

    def find(self, rule: Rule, fields: Fields, statement: Span, location: int) -> Span:
        """Return the trigger of a rule in a statement; a call begins at location."""
        if "funcname" in fields:
            return self._name(location)
        words, before = KEYWORDS.get(rule.code, ()), ""
        after = AFTER.get(rule.code)
        for at in range(self._at(statement.start), len(self.code)):
            token = self.code[at]
            if token.start >= statement.end:
                break
            if token.text in words and (after is None or before in after):
                return Span(token.start, token.end)
            before = token.text
        return statement

    def _name(self, start: int) -> Span:
        """Return the span of the name of the function whose call begins at start."""
        end = start
        for at in range(self._at(start), len(self.code)):
            if self.code[at].text == "(":
                break
            end = self.code[at].end
        return Span(start, end)

    def _at(self, start: int) -> int:
        """Return the index of the first token at or after the character start."""
        return bisect_left(self.code, start, key=START)
