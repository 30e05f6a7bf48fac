"""The tokens of a text of SQL, by PostgreSQL's lexical rules.

Owns where words, constants, comments and statements begin and end. Positions are in
characters. One pass, in linear time, finds the tokens of a text, and all modules share
them. PostgreSQL's own scanner takes quadratic time for a run of operator characters or
nested comments; ``Tokens.rereads`` measures this.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

LATEST: Final = 4
"""The number of texts whose tokens are kept: one event needs them several times."""

WORD: Final = "word"
QUOTED: Final = "quoted"
CONSTANT: Final = "constant"
PARAMETER: Final = "parameter"
OPERATOR: Final = "operator"
COMMENT: Final = "comment"
UNFINISHED: Final = "unfinished"
"""A quote or dollar quote without an end: the rest of the text is in it."""

NEXT_LINE: Final = r"(?:[ \t\f\v]|--[^\n\r]*+)*+ [\n\r] (?:\s|--[^\n\r]*+(?=[\n\r]))*+"
"""The space between two quoted parts that PostgreSQL reads as one constant."""

PATTERN: Final = re.compile(
    r"""
      (?P<word> (?![eEbBnNxX]'|[uU]&['"])
          [A-Za-z_\x80-\U0010ffff] [\w$\x80-\U0010ffff]*+ )
    | (?P<operator> [][(),;{}\\] | (?:[+*<>=~!@\#%^&|`?:]|-(?!-)|/(?!\*))++ )
    | (?P<constant>
          0[xXoObB][0-9A-Fa-f_]++
        | (?: [0-9][0-9_]*+ (?:\.(?!\.)[0-9_]*+)?+ | \.[0-9][0-9_]*+ )
          (?:[eE][+-]?+[0-9]++)?+
        | [eE] '(?:[^'\\]|\\.|'')*+' (?: NEXT_LINE '(?:[^'\\]|\\.|'')*+' )*+
        | [bBxX] '[^']*+' (?: NEXT_LINE '[^']*+' )*+
        | (?:[uU]&|[nN])? '(?:[^']|'')*+' (?: NEXT_LINE '(?:[^']|'')*+' )*+
        | \$ (?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*+)?+) \$
          .*? \$(?P=tag)\$ )
    | (?P<quoted> (?:[uU]&)?"(?:[^"]|"")*+" )
    | (?P<comment> --[^\n\r]*+ | /\*(?:[^*/]|\*(?!/)|/(?!\*))*+\*/ )
    | (?P<unfinished>
          (?:[eEbBnNxX]|[uU]&)?['"].*
        | \$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*+)?+\$.* )
    | (?P<nested> /\* )
    | (?P<parameter> \$[0-9]++ )
    | (?P<other> [^\s] )
    """.replace("NEXT_LINE", NEXT_LINE),
    re.VERBOSE | re.DOTALL,
)
RUN: Final = re.compile(r"[-+*/<>=~!@\#%^&|`?]*+")
"""The characters that PostgreSQL's scanner reads in search of the end of an operator.
It goes back if they contain a comment, or end in a sign that is its own operator."""
MAX_OPERATOR: Final = 3  # characters of a run that is certainly one operator
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
    """The tokens of a text: all of them, and code without the comments.

    size is the maximum number of tokens that PostgreSQL's scanner makes of code.
    rereads is the number of characters that the scanner reads more than once.
    """

    all: list[Token]
    code: list[Token]
    size: int
    rereads: int


@lru_cache(LATEST)
def tokens(text: str) -> Tokens:
    """Return all tokens of text; no text is refused."""
    found: list[Token] = []
    code: list[Token] = []
    runs = _Runs(text)
    size = at = 0
    end = len(text)
    while at < end:
        for match in PATTERN.finditer(text, at):
            kind = match.lastgroup
            start, at = match.span()
            written = ""
            if kind == WORD:
                written = match[0]
                written = written.lower() if written.isascii() else written
            elif kind == OPERATOR:
                written = match[0]
                if at - start > 1:
                    runs.read(start, at)
                    size += at - start if at - start > MAX_OPERATOR else 0
            elif kind == "other":
                kind, written = OPERATOR, match[0]
            elif kind == QUOTED:
                written = match[0]
            elif kind == COMMENT:
                runs.read(start, start + 1)
                found.append(Token(start, at, kind, ""))
                continue
            elif kind == "nested":
                at = _comment_end(text, start, runs)
                found.append(Token(start, at, COMMENT, ""))
                break
            token = Token(start, at, kind or "", written)
            found.append(token)
            code.append(token)
        else:
            break
    return Tokens(found, code, size + len(code), runs.rereads)


def next_token(text: str, at: int) -> Token | None:
    """Return the first token, comments included, at or after index at."""
    match = PATTERN.search(text, at)
    if match is None:
        return None
    kind, (start, end) = match.lastgroup or "", match.span()
    if kind == "nested":
        return Token(start, _comment_end(text, start, _Runs(text)), COMMENT, "")
    if kind in ("other", OPERATOR):
        return Token(start, end, OPERATOR, match[0])
    written = match[0] if kind in (WORD, QUOTED) else ""
    return Token(start, end, kind, written.lower() if kind == WORD else written)


class _Runs:
    """Counts what PostgreSQL's scanner reads again in runs of operator characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rereads = 0
        self._end = 0  # of the latest run

    def read(self, start: int, end: int) -> None:
        """Count rereads if tokens begin at each character from start to before end."""
        if start >= self._end:
            match = RUN.match(self.text, start)
            self._end = match.end() if match else start
        self.rereads += max(self._end - end, 0) * (end - start)
        self.rereads += (end - start) ** 2 // 2


def _comment_end(text: str, start: int, runs: _Runs) -> int:
    """Return the end of the comment that begins at start and has others inside."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(text, start):
        if edge[0] == "/*":
            runs.read(edge.start(), edge.start() + 1)
            depth += 1
        else:
            depth -= 1
            if not depth:
                return edge.end()
    return len(text)


def name(token: Token) -> str:
    """Return the identifier that a word or a quoted identifier spells."""
    written = token.text
    if token.kind != QUOTED:
        return written
    if written[0] == '"':
        return written[1:-1].replace('""', '"')
    return ESCAPE.sub(_character, written[3:-1].replace('""', '"'))


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2] or "5c", 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


class Nesting:
    """Tracks the nesting that decides whether a semicolon ends a statement.

    A semicolon within parentheses, as in CREATE RULE, or within BEGIN ATOMIC ... END
    does not end it.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._blocks = 0
        self._before = ""

    @property
    def is_open(self) -> bool:
        return bool(self._depth or self._blocks)

    def follow(self, word: str) -> None:
        """Record the next word or mark of the statement."""
        if word == "(":
            self._depth += 1
        elif word == ")":
            self._depth = max(self._depth - 1, 0)
        elif word == "atomic" and self._before == "begin":
            self._blocks += 1
        elif self._blocks:
            self._blocks += (word == "case") - (word == "end")
        self._before = word


def split(code: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Yield the tokens of each statement, without the semicolon."""
    start, nesting = 0, Nesting()
    for at, token in enumerate(code):
        if token.text == ";" and not nesting.is_open:
            if at > start:
                yield code[start:at]
            start = at + 1
        else:
            nesting.follow(token.text)
    if start < len(code):
        yield code[start:]
