"""The SQL in Python source: string literals that are passed to certain functions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CALLED: Final = re.compile(r"execute\w*|fetch\w*|text|SQL|RunSQL|raw|cursor_execute")
"""The names of functions whose first argument is SQL."""
KEYWORDS: Final = {"query", "reverse_sql", "sql", "statement", "text"}
LISTS: Final = (ast.List, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, and start and end of its source, in characters of the file.

    If the source has the string as it is, ``sql`` is at start. Otherwise ``sql`` may be
    longer or shorter than its source.
    """

    sql: str
    start: int
    end: int


def literals(source: str) -> list[Literal]:
    """Return the literals, in order; raises SyntaxError and ValueError."""
    lines = _starts(source)
    found = [
        _literal(source, lines, argument)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and CALLED.fullmatch(_name(call.func))
        for argument in _strings(call)
    ]
    return sorted(found, key=lambda one: one.start)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _strings(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the strings that are SQL, also those within a list."""
    keywords = [word.value for word in call.keywords if word.arg in KEYWORDS]
    for argument in [*call.args[:1], *keywords]:
        for one in argument.elts if isinstance(argument, LISTS) else [argument]:
            first = one.elts[0] if isinstance(one, LISTS) and one.elts else one
            if _is_string(first):
                yield first


def _is_string(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr)


def _literal(source: str, lines: list[int], node: ast.expr) -> Literal:
    start = _position(source, lines, node.lineno, node.col_offset)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    end = _position(source, lines, node.end_lineno, node.end_col_offset)
    sql = _text(node)
    verbatim = source.find(sql, start, end)
    return Literal(sql, start if verbatim < 0 else verbatim, end)


def _text(node: ast.expr) -> str:
    """Return the string, with a name for each value of an f-string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "x"


def _starts(source: str) -> list[int]:
    """Return the index of the first character of each line."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _position(source: str, lines: list[int], line: int, column: int) -> int:
    """Return the index of a position of ``ast``, whose columns are bytes of UTF-8."""
    start = lines[line - 1]
    before = source[start : lines[line]].encode()[:column]
    return start + len(before.decode())
