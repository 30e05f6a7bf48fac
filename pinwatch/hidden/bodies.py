"""The state that the body of a function, procedure or DO block leaves on its session.

Bodies in SQL and PL/pgSQL are read, without running them: state counts as left if some
way through the body leaves it.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from pglast.parser import ParseError, parse_plpgsql_json

from pinwatch.hidden.dynamic import UNKNOWN, dynamic_text, shown
from pinwatch.pins.effects import ALL, LIBRARIES, SEQUENCES, Effect, effects
from pinwatch.pins.rules import Fields
from pinwatch.pins.tokens import tokens
from pinwatch.pins.tree import OverBudget, Statement, Unparsable, nodes, statements
from pinwatch.pins.unseen import called
from pinwatch.pins.writes import Write, written

DO: Final = "DO"
"""The name of the code of a DO block."""
SQL: Final = "sql"
PLPGSQL: Final = "plpgsql"
DEFINES: Final = re.compile(r"\b(?:function|procedure|do)\b", re.IGNORECASE)
"""Matches each text that has a body."""
ESCAPED: Final = (b"e", b"E", b"u", b"U")
"""The first letters of constants that have escapes."""
EXPRESSION: Final = 2
ASSIGNMENT: Final = re.compile(":?=")
HARMLESS: Final = (SEQUENCES, LIBRARIES)
"""Kinds of state that no later client of the connection notices."""
DYNAMIC: Final = ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors")
"""Statements whose query is an expression that yields SQL."""
EXITS: Final = (
    "PLpgSQL_stmt_return",
    "PLpgSQL_stmt_exit",
    "PLpgSQL_stmt_raise",
)
"""Statements after which the next one of their list is possibly not reached."""
TOO_LONG: Final = "it is too expensive to parse"
AT_RUN_TIME: Final = "it runs SQL that is only known at run time"
FUNCTION_AT_RUN_TIME: Final = "it calls a function that is only known at run time"
TABLE_AT_RUN_TIME: Final = "it writes to a table that is only known at run time"


@dataclass(frozen=True, slots=True)
class Left:
    """State that a body leaves: its kind and name, and the SQL that leaves it.

    code is the name of the function, with parentheses, or DO. line is that of the SQL
    in the text that has the body, counted from 1.
    """

    kind: str
    name: str
    sql: str
    code: str = field(default="", compare=False)
    line: int = field(default=1, compare=False)


@dataclass(slots=True)
class Body:
    """The state that a body leaves and the code that it runs, in the order of its text.

    blocks are DO statements, whose own bodies are not read yet; calls are the names of
    functions as written; unread has a reason for each part that cannot be read.
    """

    left: list[Left] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def read_body(definition: str) -> Body:
    """Read the body in a CREATE FUNCTION, CREATE PROCEDURE or DO statement.

    Another statement has an empty body. Characters that UTF-8 lacks become "?".
    """
    if not DEFINES.search(definition):
        return Body()
    text = definition.encode("utf-8", "replace").decode()
    reader = _Reader(text)
    for one in reader.statements(text):
        ((kind, fields),) = one.tree.items()
        if kind == "CreateFunctionStmt":
            reader.function(one, fields)
        elif kind == "DoStmt":
            reader.block(one, fields)
    return reader.body()


def read_statements(text: str) -> Body:
    """Read what the statements of a text run in the database: functions and triggers.

    Their own effects, which RDS Proxy sees, are left out.
    """
    reader = _Reader(text)
    reader.read(text)
    return replace(reader.body(), left=[])


class _Place(NamedTuple):
    """A place in a body: the lists of statements around it, and the exits before it."""

    lists: tuple[int, ...] = ()
    exits: int = 0


class _Reader:
    """Collects what the statements of the bodies in a text leave and run."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._body = Body()
        self._left: list[tuple[Left, _Place]] = []
        self._place = _Place()
        self._code = ""
        self._first_line = self._line = 1
        self._has_lines = False

    def body(self) -> Body:
        """Return the body, with each state of a function listed once."""
        left = {(one.code, one.kind, one.name): one for one, _ in reversed(self._left)}
        return replace(self._body, left=list(reversed(left.values())))

    def function(self, statement: Statement, fields: Fields) -> None:
        names = (str(part["String"]["sval"]) for part in fields["funcname"])
        self._code = f"{'.'.join(names)}()"
        options = _options(fields.get("options", ()))
        language = options.get("language", SQL)
        if "sql_body" in fields:
            self._atomic(fields["sql_body"])
            return
        self._begin(fields.get("options", ()))
        if language == SQL:
            self._body_in_sql(options.get("as", ""))
        else:
            self._other(statement, language)

    def block(self, statement: Statement, fields: Fields) -> None:
        self._code = DO
        self._begin(fields.get("args", ()))
        options = _options(fields.get("args", ()))
        self._other(statement, options.get("language", PLPGSQL))

    def _other(self, statement: Statement, language: str) -> None:
        if language == PLPGSQL:
            self._plpgsql(self._text[statement.start : statement.end].decode())
        else:
            self._unread(f"it is in {language}")

    def _begin(self, options: Iterable[Fields]) -> None:
        """Set the first line of a body; escapes in its constant may hide others."""
        at = _location(options)
        self._first_line = self._line = self._line_at(at)
        self._has_lines = self._text[at : at + 1] not in ESCAPED

    def _move(self, lines: int) -> None:
        """Set the line to this number of lines below the first one."""
        self._line = self._first_line + (lines if self._has_lines else 0)

    def _line_at(self, location: int) -> int:
        """Return the line of the text that has this byte."""
        return bisect_right(self._line_starts, location)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(newline.end() for newline in re.finditer(b"\n", self._text))]

    def _unread(self, reason: str) -> None:
        self._body.unread.append(reason)

    def statements(self, text: str) -> list[Statement]:
        """Return the statements of a text; none if it cannot be parsed."""
        try:
            return statements(text, tokens(text))
        except Unparsable as error:
            self._unread(str(error))
        except OverBudget:
            self._unread(TOO_LONG)
        return []

    def read(self, text: str) -> None:
        """Read SQL of the present line, which may have parts that are UNKNOWN."""
        for _, sql, tree in self._parsed(text):
            self._read(sql, tree)

    def _body_in_sql(self, text: str) -> None:
        """Read SQL that begins on the first line."""
        for lines, sql, tree in self._parsed(text):
            self._move(lines)
            self._read(sql, tree)

    def _parsed(self, text: str) -> Iterator[tuple[int, str, Fields]]:
        """Yield statements: the number of lines before each, its SQL and its tree."""
        encoded = text.encode()
        lines = counted = 0
        for one in self.statements(text):
            sql = encoded[one.start : one.end].decode()
            begins = tokens(sql).code[0].start
            lines += encoded.count(b"\n", counted, one.start)
            counted = one.start
            yield lines + sql[:begins].count("\n"), sql[begins:].strip(), one.tree

    def _read(self, sql: str, tree: Fields) -> None:
        for node, fields in nodes(tree):
            self._node(node, fields, shown(sql))

    def _atomic(self, tree: Fields) -> None:
        """Read BEGIN ATOMIC or RETURN, which is no constant of the text."""
        ends = [*self._line_starts[1:], len(self._text)]
        for node, fields in nodes(tree):
            self._line = self._line_at(int(fields.get("location", 0)))
            line = self._text[self._line_starts[self._line - 1] : ends[self._line - 1]]
            self._node(node, fields, line.decode().strip())

    def _node(self, node: str, fields: Fields, sql: str) -> None:
        if node == "DoStmt":
            self._body.blocks.append(sql)
            return
        for name in called(node, fields):
            if UNKNOWN in name:
                self._unread(FUNCTION_AT_RUN_TIME)
            else:
                self._body.calls.append(name)
        for write in written(node, fields):
            if UNKNOWN in write.table:
                self._unread(TABLE_AT_RUN_TIME)
            else:
                self._body.writes.append(write)
        for effect in effects(node, fields):
            if not (effect.local or effect.kind in HARMLESS):
                self._apply(effect, sql)

    def _apply(self, effect: Effect, sql: str) -> None:
        """Add the state that an effect leaves, or remove the state that it ends."""
        name = shown(effect.name)
        if effect.holds:
            left = Left(effect.kind, name, sql, self._code, self._line)
            self._left.append((left, self._place))
            return
        self._left = [
            (left, place)
            for left, place in self._left
            if left.kind != effect.kind
            or name not in (left.name, ALL)
            or not self._always_follows(place)
        ]

    def _always_follows(self, place: _Place) -> bool:
        """Return True if the present statement runs whenever that place was reached."""
        lists, exits = self._place
        return place.lists[: len(lists)] == lists and place.exits == exits

    # PL/pgSQL.

    def _plpgsql(self, definition: str) -> None:
        try:
            found = json.loads(parse_plpgsql_json(definition))
        except ParseError as error:
            self._unread(str(error.args[0]))
            return
        except RecursionError:
            self._unread(TOO_LONG)
            return
        exits = 0
        for kind, fields, lists, line in _plpgsql_nodes(found):
            exits += kind in EXITS
            self._place = _Place(lists, exits)
            self._move(line - 1)
            if kind == "PLpgSQL_expr":
                self.read(_as_statement(fields))
            dynamic = fields.get("query" if kind in DYNAMIC else "dynquery")
            if dynamic is not None:
                self._dynamic(_as_statement(dynamic["PLpgSQL_expr"]))

    def _dynamic(self, expression: str) -> None:
        """Read the SQL that an expression yields; it is the column of a SELECT."""
        for one in self.statements(expression):
            targets = one.tree.get("SelectStmt", {}).get("targetList", ())
            texts = [dynamic_text(target["ResTarget"]["val"]) for target in targets]
            if len(texts) != 1 or texts[0].startswith(UNKNOWN):
                self._unread(AT_RUN_TIME)
            else:
                self.read(texts[0])


def _options(found: Iterable[Fields]) -> dict[str, str]:
    """Return the text of each option, of a list that of its first item.

    The language is in lower case.
    """
    options = {}
    for one in found:
        option = one["DefElem"]
        argument: Any = option.get("arg", {})
        items = argument.get("List", {}).get("items", [argument])
        value = str(items[0].get("String", {}).get("sval", ""))
        name = option["defname"]
        options[name] = value.lower() if name == "language" else value
    return options


def _location(options: Iterable[Fields]) -> int:
    """Return the byte at which the text of a body begins."""
    found = (option["DefElem"] for option in options)
    return next((one["arg_location"] for one in found if one["defname"] == "as"), 0)


def _plpgsql_nodes(tree: Any) -> Iterator[tuple[str, Fields, tuple[int, ...], int]]:
    """Yield the nodes of PL/pgSQL by name, fields, lists and line, in order.

    The numbers identify the statement lists around the node that are possibly skipped;
    each branch of an IF is a list with its own number. The line is that of the body,
    counted from 1.
    """
    number = 0
    stack: list[tuple[str, str, Any, tuple[int, ...], int]] = [("", "", tree, (), 1)]
    while stack:
        owner, key, item, lists, line = stack.pop()
        if isinstance(item, list):
            if (owner, key) not in ALWAYS:
                number += 1
                lists = (*lists, number)
            stack.extend((owner, "", one, lists, line) for one in reversed(item))
        elif isinstance(item, dict):
            if key.startswith("PLpgSQL_"):
                line = item.get("lineno", line)
                yield key, item, lists, line
                owner = key
            inner = reversed(item.items())
            stack.extend((owner, name, value, lists, line) for name, value in inner)


ALWAYS: Final = (
    ("", ""),
    ("PLpgSQL_function", "datums"),
    ("PLpgSQL_stmt_block", "body"),
)
"""Lists whose members all run, unless one of them exits: a node, and its field."""


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
