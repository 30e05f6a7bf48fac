"""The tags that an application writes into the comments of its SQL.

Owns where a text has comments, and two formats of tags in them. The format of
sqlcommenter (https://google.github.io/sqlcommenter/spec/) also carries OpenTelemetry's
``traceparent``: ``/*route='%2Fpolls',user='it\\'s'*/``. The format of marginalia is
also that of Rails: ``/*application:Shop,controller:orders*/``. Does not know what tags
mean.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from pinwatch.pins.tokens import COMMENT, Span, Token, tokens

MAX_COMMENTS: Final = 2_048
"""Characters of comments that are read, from the end of the text."""
MAX_TAGS: Final = 32

BEGINNINGS: Final = ("/*", "--")
PAIR: Final = re.compile(r"\s*((?:[^\s,'=\\]|\\.)+)='((?:[^'\\]|\\.)*)'\s*,?", re.S)
MARGINALIA: Final = re.compile(r"([a-z][a-z0-9_]*):(?!//)([^\s,][^,]*)(?:,|\Z)")
ESCAPED: Final = re.compile(r"\\(.)", re.S)


def tags(sql: str) -> dict[str, str]:
    """Return decoded values by key; if comments disagree, the last one counts."""
    found: dict[str, str] = {}
    left = MAX_COMMENTS
    for span in reversed(comments(sql)):
        comment = _inside(sql[span.start : span.end])
        if len(comment) > left:  # drop a tag that is cut in two
            comment, left = comment[:left].rpartition(",")[0], 0
        left -= len(comment)
        for key, value in _pairs(comment):
            if len(found) == MAX_TAGS:
                return found
            found.setdefault(key, value)
        if left <= 0:
            break
    return found


def comments(sql: str) -> list[Span]:
    """Return where comments stand, as PostgreSQL reads the text.

    A comment without an end is left out.
    """
    if not any(beginning in sql for beginning in BEGINNINGS):
        return []
    return [
        Span(token.start, token.end)
        for token in tokens(sql).all
        if token.kind == COMMENT and _is_closed(sql, token)
    ]


def _is_closed(sql: str, comment: Token) -> bool:
    if sql.startswith("--", comment.start):
        return True
    return sql.endswith("*/", comment.start + 2, comment.end)


def without_comments(sql: str) -> str:
    """Return the text without comments and surrounding white space."""
    return "".join(code(sql)).strip()


def code(sql: str) -> Iterator[str]:
    """Yield the pieces of the text between its comments."""
    at = 0
    for comment in comments(sql):
        yield sql[at : comment.start]
        at = comment.end
    yield sql[at:]


def _inside(comment: str) -> str:
    if comment.startswith("--"):
        return comment[2:].strip()
    return comment[2:-2].strip()


def _pairs(comment: str) -> Iterator[tuple[str, str]]:
    at = 0
    while match := PAIR.match(comment, at):
        yield _decoded(match[1]), _decoded(match[2])
        at = match.end()
    if at == 0:
        while match := MARGINALIA.match(comment, at):
            yield match[1], match[2].rstrip()
            at = match.end()


def _decoded(written: str) -> str:
    return unquote(ESCAPED.sub(r"\1", written))
