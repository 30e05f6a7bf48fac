"""The SQL in Python source: string literals that are passed to certain functions."""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CALLED: Final = re.compile(r"execute\w*|fetch\w*|SQL|RunSQL|raw|cursor_execute")
"""The names of functions whose first argument is SQL."""
TEXT: Final = "text"
OWNERS: Final = {"db", "expression", "sa", "sql", "sqlalchemy"}
"""Names in ``sa.text()`` of SQLAlchemy; matplotlib and others have a ``text``, too."""
KEYWORDS: Final = {"query", "reverse_sql", "sql", "statement", "text"}
LISTS: Final = (ast.List, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, and start and end of its source, in characters of the file.

    If the source has the string as it is, ``is_verbatim`` is true, and ``sql`` is at
    start. Otherwise ``sql`` may be longer or shorter than its source. ``has_values`` is
    true for an f-string, whose values are names in ``sql``. ``lines`` are the first and
    the last line of the Python statement that has the string.
    """

    sql: str
    start: int
    end: int
    is_verbatim: bool
    has_values: bool
    lines: tuple[int, int]


def literals(source: str) -> list[Literal]:
    r"""Return the literals, in order; raises SyntaxError, ValueError, RecursionError.

    The lines of source end in ``\n``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the source's own backslashes
        tree = ast.parse(source)
    starts = _starts(source)
    found = [
        _literal(source, starts, argument, statement)
        for call, statement in _calls(tree)
        if _takes_sql(call.func)
        for argument in _strings(call)
    ]
    return sorted(found, key=lambda one: one.start)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, ast.stmt]]:
    """Yield each call with the innermost statement that has it."""
    waiting: list[tuple[ast.AST, ast.stmt]] = [(one, one) for one in tree.body]
    while waiting:
        node, statement = waiting.pop()
        if isinstance(node, ast.stmt):
            statement = node
        elif isinstance(node, ast.Call):
            yield node, statement
        waiting += ((child, statement) for child in ast.iter_child_nodes(node))


def _takes_sql(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == TEXT or bool(CALLED.fullmatch(function.id))
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr == TEXT:
        return isinstance(function.value, ast.Name) and function.value.id in OWNERS
    return bool(CALLED.fullmatch(function.attr))


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
        return isinstance(node.value, str | bytes)
    return isinstance(node, ast.JoinedStr)


def _literal(
    source: str, starts: list[int], node: ast.expr, statement: ast.stmt
) -> Literal:
    start = _position(source, starts, node.lineno, node.col_offset)
    end = _position(source, starts, *_end(node))
    sql = _text(node)
    verbatim = source.find(sql, start, end)
    return Literal(
        sql,
        start if verbatim < 0 else verbatim,
        end,
        verbatim >= 0,
        isinstance(node, ast.JoinedStr),
        (statement.lineno, _end(statement)[0]),
    )


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return the line and the column after the last character of a node."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def _text(node: ast.expr) -> str:
    """Return the string, with a name for each value of an f-string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if not isinstance(node, ast.Constant):
        return "x"
    value = node.value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _starts(source: str) -> list[int]:
    """Return the index of the first character of each line, and of the end."""
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _position(source: str, starts: list[int], line: int, column: int) -> int:
    """Return the index of a position of ``ast``, whose columns are bytes of UTF-8."""
    start = starts[line - 1]
    before = source[start : starts[line]].encode()[:column]
    return start + len(before.decode())
