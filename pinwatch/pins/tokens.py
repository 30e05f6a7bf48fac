"""The tokens of a text of SQL, by PostgreSQL's lexical rules.

Owns where words, constants and comments begin and end, and where statements do. All
positions are in characters. A text is read once, in one pass whose cost grows with its
length only; PostgreSQL's own scanner reads a run of operator characters, or of nested
comments, once for each of its characters. Whoever needs the tokens of a text again
within the same event gets the same tuple.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

LATEST: Final = 4
"""Texts whose tokens are kept: one event needs those of a text several times."""

MAX_RUN: Final = 64
"""Characters of the longest operator, or comments inside one comment, that PostgreSQL's
scanner is given. A longer operator is an error there, but for a row of plus signs."""

WORD: Final = "word"
QUOTED: Final = "quoted"
CONSTANT: Final = "constant"
PARAMETER: Final = "parameter"
OPERATOR: Final = "operator"
COMMENT: Final = "comment"
UNFINISHED: Final = "unfinished"
"""A quote, comment or dollar quote that never ends: it has the rest of the text."""

PATTERN: Final = re.compile(
    r"""
      (?P<constant>
          (?: [eE] ' (?:[^'\\]|\\.|'')*+ ' | (?:[uU]&|[bBnNxX])? ' (?:[^']|'')*+ ' )
          (?: (?:[ \t\f\v]|--[^\n\r]*+)*+ [\n\r] (?:\s|--[^\n\r]*+(?=[\n\r]))*+
              ' (?:[^']|'')*+ ' )*+
        | \$ (?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*+)?+) \$
          .*? \$(?P=tag)\$
        | (?: 0[xXoObB][0-9A-Fa-f_]++
            | (?: [0-9][0-9_]*+ (?:\.(?!\.)[0-9_]*+)?+ | \.[0-9][0-9_]*+ )
              (?:[eE][+-]?+[0-9]++)?+ )
      )
    | (?P<quoted> (?:[uU]&)? " (?:[^"]|"")*+ " )
    | (?P<comment> --[^\n\r]*+ | /\* (?:[^*/]|\*(?!/)|/(?!\*))*+ \*/ )
    | (?P<unfinished>
          (?:[eE]|[uU]&|[bBnNxX])? ['] .* | (?:[uU]&)? ["] .*
        | \$ (?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*+)?+ \$ .* )
    | (?P<nested> /\* )
    | (?P<word> [A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*+ )
    | (?P<parameter> \$[0-9]++ )
    | (?P<operator> [][(),;.{}\\$] | (?:[+*<>=~!@\#%^&|`?:]|-(?!-)|/(?!\*))++ | [^\s] )
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|\\)")


class Span(NamedTuple):
    """Characters of a text, from start to before end."""

    start: int
    end: int


class Token(NamedTuple):
    """Characters of a text from start to before end, and how they read.

    text is a word in lower case, or a quoted identifier, operator or punctuation mark
    as written; it is empty for all others.
    """

    start: int
    end: int
    kind: str
    text: str


class Tokens(NamedTuple):
    """all has the comments, code has all but them.

    extreme: the text has an operator or nested comments that PostgreSQL's scanner
    would read again and again.
    """

    all: tuple[Token, ...]
    code: tuple[Token, ...]
    extreme: bool


@lru_cache(LATEST)
def tokens(text: str) -> Tokens:
    """Return all tokens of text; no text is refused."""
    found: list[Token] = []
    extreme = False
    at, end = 0, len(text)
    while at < end:
        for match in PATTERN.finditer(text, at):
            kind, start, at = match.lastgroup or "", match.start(), match.end()
            if kind == "nested":
                at, depth = _comment_end(text, at)
                extreme = extreme or depth > MAX_RUN
                found.append(Token(start, at, COMMENT, ""))
                break
            if kind == "tag":
                kind = CONSTANT
            elif kind == OPERATOR and at - start > MAX_RUN:
                extreme = True
            found.append(Token(start, at, kind, _reading(kind, match)))
        else:
            break
    code = tuple(token for token in found if token.kind != COMMENT)
    return Tokens(tuple(found), code, extreme)


def _reading(kind: str, match: re.Match[str]) -> str:
    if kind == WORD:
        word = match[0]
        return word.lower() if word.isascii() else word
    return match[0] if kind in (QUOTED, OPERATOR) else ""


def name(token: Token) -> str:
    """The identifier that a word or a quoted identifier is."""
    written = token.text
    if token.kind != QUOTED:
        return written
    if written[0] == '"':
        return written[1:-1].replace('""', '"')
    return ESCAPE.sub(_character, written[3:-1].replace('""', '"'))


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2] or "5c", 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _comment_end(text: str, at: int) -> tuple[int, int]:
    """Where the comment ends whose text begins at at, and how many it has inside."""
    depth, inside = 1, 0
    for edge in COMMENT_EDGE.finditer(text, at):
        if edge[0] == "/*":
            depth += 1
            inside += 1
        else:
            depth -= 1
            if not depth:
                return edge.end(), inside
    return len(text), inside


def split(code: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens of each statement, without the semicolon.

    A semicolon within parentheses, as in CREATE RULE, or within BEGIN ATOMIC ... END
    ends no statement.
    """
    start = depth = blocks = 0
    for at, token in enumerate(code):
        word = token.text
        if word == "(":
            depth += 1
        elif word == ")":
            depth = max(depth - 1, 0)
        elif word == ";" and not depth and not blocks:
            if at > start:
                yield code[start:at]
            start = at + 1
        elif token.kind != WORD:
            continue
        elif word == "atomic" and at and code[at - 1].text == "begin":
            blocks += 1
        elif blocks:
            blocks += (word == "case") - (word == "end")
    if start < len(code):
        yield code[start:]
