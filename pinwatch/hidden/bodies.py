"""What the body of a function, procedure or DO block leaves on its session.

Bodies in SQL and PL/pgSQL are read, without running them: state counts as left if some
way through the body leaves it. Lines count from 1, where the body begins.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pglast.parser import ParseError, parse_plpgsql_json

from pinwatch.hidden.dynamic import UNKNOWN, dynamic_text
from pinwatch.hidden.writes import written
from pinwatch.pins.effects import ALL, LIBRARIES, SEQUENCES, Effect, effects
from pinwatch.pins.rules import Fields
from pinwatch.pins.tokens import tokens
from pinwatch.pins.tree import OverBudget, Unparsable, nodes, statements
from pinwatch.pins.unseen import called

SQL: Final = "sql"
PLPGSQL: Final = "plpgsql"
EXPRESSION: Final = 2
ASSIGNMENT: Final = re.compile(":?=")
HARMLESS: Final = (SEQUENCES, LIBRARIES)
"""Kinds of state that no later client of the connection notices."""


@dataclass(frozen=True, slots=True)
class Left:
    """State that a body leaves: its kind and name, and the SQL that leaves it."""

    kind: str
    name: str
    sql: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function that a body calls, by the name as written, and where."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Write:
    """A table that a body writes to, by the name as written, and how.

    event is that of a trigger: INSERT, UPDATE, DELETE or TRUNCATE.
    """

    event: str
    table: str
    line: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a body that cannot be read, and why."""

    reason: str
    line: int


@dataclass(slots=True)
class Body:
    """What a body leaves, calls and writes to, in the order of its text."""

    left: list[Left] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    """DO statements, whose own bodies are not read yet."""
    calls: list[Call] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True if ``left`` has all that the body leaves: it runs no other code."""
        return not (self.blocks or self.calls or self.writes or self.unread)


def read_body(definition: str) -> Body:
    """Read the body in a CREATE FUNCTION, CREATE PROCEDURE or DO statement.

    Another statement has an empty body.
    """
    reader = _Reader()
    try:
        for one in statements(definition, tokens(definition)):
            ((kind, fields),) = one.tree.items()
            if kind == "CreateFunctionStmt":
                reader.function(definition, fields)
            elif kind == "DoStmt":
                reader.block(definition, fields)
    except (Unparsable, OverBudget) as error:
        reader.refused(error, 1)
    return reader.body


def read_statements(text: str) -> Body:
    """Read what the statements of a text run in the database: functions and triggers.

    What they leave themselves is no secret, and is not in the result.
    """
    reader = _Reader()
    reader.read(text)
    return replace(reader.body, left=[])


class _Reader:
    """Collects what the statements of a body leave, in their order."""

    def __init__(self) -> None:
        self.body = Body()

    def function(self, definition: str, fields: Fields) -> None:
        options = _options(fields.get("options", ()))
        if "sql_body" in fields:
            self._atomic(definition, fields["sql_body"])
        elif options.get("language", SQL) == SQL:
            self.read(options.get("as", ""), 1)
        elif options["language"] == PLPGSQL:
            self._plpgsql(definition)
        else:
            self._unread(f"it is in {options['language']}", 1)

    def block(self, definition: str, fields: Fields) -> None:
        language = _options(fields.get("args", ())).get("language", PLPGSQL)
        if language == PLPGSQL:
            self._plpgsql(definition)
        else:
            self._unread(f"it is in {language}", 1)

    def refused(self, error: Exception, line: int) -> None:
        self._unread(str(error) or "it is too long", line)

    def _unread(self, reason: str, line: int) -> None:
        self.body.unread.append(Unread(reason, line))

    def read(self, text: str, line: int = 1) -> None:
        """Read SQL that begins in a line of the body."""
        try:
            found = statements(text, tokens(text))
        except (Unparsable, OverBudget) as error:
            self.refused(error, line)
            return
        encoded = text.encode()
        for one in found:
            source = encoded[one.start : one.end].decode()
            lead = len(source) - len(source.lstrip())
            before = encoded[: one.start].decode() + source[:lead]
            self._tree(one.tree, source.strip(), line + before.count("\n"))

    def _atomic(self, definition: str, tree: Fields) -> None:
        """Read the statements of BEGIN ATOMIC, which only have names of functions."""
        encoded = definition.encode()
        for node, fields in nodes(tree):
            line = encoded[: fields.get("location", 0)].count(b"\n")
            self._node(node, fields, definition.splitlines()[line].strip(), line + 1)

    def _tree(self, tree: Fields, sql: str, line: int) -> None:
        for node, fields in nodes(tree):
            self._node(node, fields, sql, line)

    def _node(self, node: str, fields: Fields, sql: str, line: int) -> None:
        if node == "DoStmt":
            self.body.blocks.append(sql)
        else:
            self.body.calls += (Call(name, line) for name in called(node, fields))
            self.body.writes += (Write(*one, line) for one in written(node, fields))
            for effect in effects(node, fields):
                self._apply(effect, sql, line)

    def _apply(self, effect: Effect, sql: str, line: int) -> None:
        """Add what stays after the transaction, or take it away again."""
        if effect.local or effect.kind in HARMLESS:
            return
        self.body.left = [
            one
            for one in self.body.left
            if one.kind != effect.kind or effect.name not in (one.name, ALL)
        ]
        if effect.holds:
            self.body.left.append(Left(effect.kind, effect.name, sql, line))

    # PL/pgSQL.

    def _plpgsql(self, definition: str) -> None:
        try:
            found = json.loads(parse_plpgsql_json(definition))
        except (ParseError, RecursionError) as error:
            self.refused(error, 1)
            return
        for kind, fields, line in _plpgsql_nodes(found):
            if kind == "PLpgSQL_stmt_dynexecute":
                self._dynamic(fields["query"]["PLpgSQL_expr"], line)
            elif kind == "PLpgSQL_expr":
                self.read(_as_statement(fields), line)

    def _dynamic(self, expression: Fields, line: int) -> None:
        (one,) = statements(text := _as_statement(expression), tokens(text))
        target = one.tree["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
        sql = dynamic_text(target)
        if sql.startswith(UNKNOWN):
            self._unread("EXECUTE of SQL that is built at run time", line)
        else:
            self.read(sql, line)


def _options(found: Iterable[Fields]) -> dict[str, str]:
    """Return options with a text, or a list that begins with one, in lower case."""
    options = {}
    for one in found:
        option = one["DefElem"]
        argument: Any = option.get("arg", {})
        items = argument.get("List", {}).get("items", [argument])
        value = str(items[0].get("String", {}).get("sval", ""))
        name = option["defname"]
        options[name] = value.lower() if name == "language" else value
    return options


def _plpgsql_nodes(tree: Any) -> Iterator[tuple[str, Fields, int]]:
    """Yield the nodes of PL/pgSQL by name and fields, with their line, in order.

    A node without a line has that of the node around it.
    """
    stack: list[tuple[Any, int]] = [(tree, 1)]
    while stack:
        item, line = stack.pop()
        if isinstance(item, list):
            stack.extend((one, line) for one in reversed(item))
        elif isinstance(item, dict):
            line = int(item.get("lineno", line))
            for name, fields in item.items():
                if name.startswith("PLpgSQL_") and isinstance(fields, dict):
                    yield name, fields, int(fields.get("lineno", line))
            stack.extend((one, line) for one in reversed(item.values()))


def _as_statement(expression: Fields) -> str:
    """Return an expression of PL/pgSQL as a statement of SQL.

    Modes are those of RawParseMode: 0 is a statement, 1 a type, 2 an expression, and
    from 3 on an assignment.
    """
    mode, text = expression.get("parseMode", 0), str(expression["query"])
    if mode == 0:
        return text
    if mode > EXPRESSION:
        return "SELECT " + ASSIGNMENT.split(text, 1)[-1]
    return f"SELECT {text}" if mode == EXPRESSION else ""
