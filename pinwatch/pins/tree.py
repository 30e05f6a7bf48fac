"""A statement's tree, and the nodes in it that run now.

Owns the budget of the parser, the order of the walk, and which nodes it skips: SQL that
a statement only stores. The tree is libpg_query's JSON; it is walked with a stack, so
that depth costs nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pglast.parser import ParseError, parse_sql_json

from pinwatch.pins.tokens import Tokens

MAX_TOKENS: Final = 4_096
"""Tokens of the longest text that is parsed. 16 KB of usual SQL have about 3,500; such
a tree is read in about ten milliseconds."""

MAX_REREADS: Final = 262_144
"""Characters that the scanner may read again, which takes about a millisecond."""

STORED: Final[Mapping[str, tuple[str, ...] | None]] = {
    "CreateFunctionStmt": None,  # all of it, BEGIN ATOMIC and defaults of arguments
    "AlterFunctionStmt": None,  # SET and RESET are for when it runs
    "Constraint": None,  # DEFAULT, CHECK and GENERATED of a column
    "RuleStmt": None,
    "CreatePolicyStmt": None,
    "AlterPolicyStmt": None,
    "CreateTrigStmt": None,
    "CreateDomainStmt": None,
    "AlterDomainStmt": None,
    "CreateStatsStmt": None,
    "CreatePublicationStmt": None,
    "PrepareStmt": None,  # runs at EXECUTE
    "ViewStmt": ("query",),
}
"""Nodes with SQL that is stored for later: the fields that have it, or None for all."""

SIDES: Final = ("larg", "rarg")
"""The sides of UNION, INTERSECT and EXCEPT: each is a SelectStmt without its name."""


TOO_DEEP: Final = ("stack depth limit exceeded", "memory exhausted")
"""Prefixes of the parser's messages about SQL that exceeds its memory or stack.

The server has a larger stack and may accept it.
"""

LEAVES: Final = frozenset(("A_Const", "ColumnRef", "ParamRef", "String"))
"""Nodes that contain no node that matters. Most nodes of a long text are leaves."""


class Unparsable(Exception):
    """PostgreSQL's grammar refuses the text; the argument is its message."""


class OverBudget(Exception):
    """Parsing the text would cost more time, memory or stack than a verdict may."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One of the statements of a text, from start to end in bytes of UTF-8."""

    tree: Mapping[str, Any]
    start: int
    end: int


def statements(text: str, tokens: Tokens) -> list[Statement]:
    """Parse text; tokens are the tokens of text.

    Raises Unparsable, and OverBudget, mostly before it calls the parser.
    """
    if tokens.size > MAX_TOKENS or tokens.rereads > MAX_REREADS:
        raise OverBudget
    try:
        found = json.loads(parse_sql_json(text)).get("stmts", ())
    except ParseError as error:
        message = str(error.args[0])
        if message.startswith(TOO_DEEP):
            raise OverBudget from error
        raise Unparsable(message) from error
    except RecursionError as error:
        raise OverBudget from error
    size = len(text.encode())
    return [
        Statement(
            raw["stmt"],
            start := raw.get("stmt_location", 0),
            start + raw["stmt_len"] if "stmt_len" in raw else size,
        )
        for raw in found
        if "stmt" in raw
    ]


def nodes(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every node that runs, by name and fields, in the order of the text.

    Leaves are left out.
    """
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
            continue
        inner: list[Any] = []
        for key, value in item.items():
            if key in LEAVES:
                continue
            if key[0].isupper() and isinstance(value, dict):
                yield key, value
                inner.extend(_children(key, value))
            elif isinstance(value, dict | list):
                inner.append(value)
        stack.extend(reversed(inner))


def _children(name: str, fields: Mapping[str, Any]) -> list[Any]:
    """Return the fields of a node that hold nodes which run."""
    kept = STORED.get(name, ())
    if kept is None:
        return []
    if name == "AlterTableCmd" and fields.get("subtype") == "AT_ColumnDefault":
        return []
    if name == "ExplainStmt" and not _analyzes(fields):
        return _executed(fields.get("query", {}))
    if name == "CreateTableAsStmt" and (fields.get("into") or {}).get("skipData"):
        return [fields["into"], *_executed(fields.get("query", {}))]
    return [
        {"SelectStmt": value} if key in SIDES else value
        for key, value in fields.items()
        if isinstance(value, dict | list) and key not in kept
    ]


def _executed(query: Mapping[str, Any]) -> list[Any]:
    """Return the EXECUTE in a query that is only planned: planning looks it up."""
    if "CreateTableAsStmt" in query:
        return _executed(query["CreateTableAsStmt"].get("query", {}))
    return [query] if "ExecuteStmt" in query else []


def _analyzes(explain: Mapping[str, Any]) -> bool:
    """Return True if an EXPLAIN runs its statement; the last ANALYZE counts."""
    given = [
        option["DefElem"].get("arg")
        for option in explain.get("options", ())
        if option["DefElem"].get("defname") == "analyze"
    ]
    return bool(given) and (given[-1] is None or _is_true(given[-1]))


def _is_true(value: Mapping[str, Any]) -> bool:
    """Return an option's value as PostgreSQL's defGetBoolean reads it."""
    ((kind, fields),) = value.items()
    if kind == "Integer":
        return bool(fields.get("ival"))
    return str(fields.get("sval", "")).lower() in ("true", "on")
