"""The SQL in Python source: string literals that are passed to certain functions.

A string may be passed as it is, as an f-string, concatenated or formatted, or by a name
that stands for it.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pinwatch.lint.names import FUNCTIONS, Names, Value

CALLED: Final = re.compile(
    r"execute\w*|exec_driver_sql|fetch\w*|SQL|RunSQL|raw|cursor_execute"
)
"""The names of functions that take SQL."""
FIRST: Final = slice(1)
POSITIONS: Final = {
    "RunSQL": slice(2),  # with the SQL that reverses it
    "execute_batch": slice(1, 2),  # after psycopg2's cursor
    "execute_values": slice(1, 2),
}
"""The SQL arguments of functions that do not take it as their first argument only."""
TEXT: Final = "text"
OWNERS: Final = {"db", "expression", "sa", "sql", "sqlalchemy"}
"""Names in ``sa.text()`` of SQLAlchemy; matplotlib and others have a ``text``, too."""
KEYWORDS: Final = {"query", "reverse_sql", "sql", "statement", "text"}
STRING_METHODS: Final = {"encode", "format", "format_map", "lstrip", "rstrip", "strip"}
LISTS: Final = (ast.List, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, and start and end of its source, in characters of the file.

    If the source has the string as it is, ``is_verbatim`` is true, and ``sql`` is at
    start. Otherwise ``sql`` may be longer or shorter than its source. ``has_values`` is
    true if values are put into the string, which are names in ``sql``. ``lines`` are
    the first and the last line of the Python statement that has the string.
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
    followed: set[tuple[Names, str]] = set()
    strings = dict(
        string
        for call, statement, scope in _calls(tree)
        for argument in _arguments(call)
        for string in _strings((argument, statement), scope, followed)
    )
    found = [_literal(source, starts, *string) for string in strings.items()]
    return sorted(found, key=lambda one: one.start)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, ast.stmt, Names]]:
    """Yield each call with the innermost statement and the scope that have it."""
    module = Names(tree)
    waiting: list[tuple[ast.AST, ast.stmt, Names]]
    waiting = [(one, one, module) for one in tree.body]
    while waiting:
        node, statement, scope = waiting.pop()
        if isinstance(node, ast.Call):
            yield node, statement, scope
        if isinstance(node, FUNCTIONS):
            scope = Names(node, scope)
        if isinstance(node, ast.stmt):
            statement = node
        for child in ast.iter_child_nodes(node):
            waiting.append((child, statement, scope))


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments that are SQL."""
    name = _called(call.func)
    if name:
        yield from call.args[POSITIONS.get(name, FIRST)]
        yield from (word.value for word in call.keywords if word.arg in KEYWORDS)


def _called(function: ast.expr) -> str:
    """Return the name of a function that takes SQL; empty for another one."""
    match function:
        case ast.Name(name) if name == TEXT or CALLED.fullmatch(name):
            return name
        case ast.Attribute(ast.Name(owner), name) if name == TEXT and owner in OWNERS:
            return name
        case ast.Attribute(_, name) if CALLED.fullmatch(name):
            return name
        case _:
            return ""


def _strings(
    value: Value, scope: Names, followed: set[tuple[Names, str]]
) -> Iterator[Value]:
    """Yield the strings of an expression, and note the names that it follows.

    Names that were followed already are left out: their strings are known.
    """
    node, statement = value
    match node:
        case ast.Constant(str() | bytes()) | ast.JoinedStr():
            yield value
        case ast.BinOp(op=ast.Add()) if any(map(_is_string, _parts(node))):
            yield value
        case ast.List(elements) | ast.Tuple(elements):
            for one in elements:  # a tuple is SQL with its parameters
                first = one.elts[0] if isinstance(one, LISTS) and one.elts else one
                yield from _strings((first, statement), scope, followed)
        case ast.Name(name) if (scope, name) not in followed:
            followed.add((scope, name))
            for bound in scope.values(name):
                yield from _strings(bound, scope, followed)
        case _:
            for inner in _formatted(node):
                yield from _strings((inner, statement), scope, followed)


def _formatted(node: ast.expr) -> list[ast.expr]:
    """Return the strings that an expression formats, or chooses from."""
    match node:
        case ast.BinOp(left, ast.Mod()):
            return [left]
        case ast.IfExp(_, if_true, if_false):
            return [if_true, if_false]
        case ast.Call(ast.Attribute(attr="dedent") | ast.Name("dedent"), [text, *_]):
            return [text]
        case ast.Call(ast.Attribute(text, method)) if method in STRING_METHODS:
            return [text]
        case _:
            return []


def _parts(node: ast.expr) -> list[ast.expr]:
    """Return the expressions that are concatenated, in order."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


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
        any(not isinstance(part, ast.Constant) for part in _parts(node)),
        (statement.lineno, _end(statement)[0]),
    )


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return the line and the column after the last character of a node."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def _text(node: ast.expr) -> str:
    """Return the string, with a name for each value that is put into it."""
    match node:
        case ast.Constant(bytes() as value):
            return value.decode("utf-8", "replace")
        case ast.Constant(value):
            return str(value)
        case ast.JoinedStr(values):
            return "".join(map(_text, values))
        case ast.BinOp(op=ast.Add()):
            return "".join(map(_text, _parts(node)))
        case _:
            return "x"


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
