"""Code that runs inside a statement, and that RDS Proxy does not see.

Owns which functions are PostgreSQL's own: they are in ``functions.txt``, with the query
that lists them. Code that RDS Proxy does not see never pins. ``pinwatch explain`` names
it, and the proxy probes for the state that it left, if hidden_state is on.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pinwatch.pins.tokens import tokens
from pinwatch.pins.tree import OverBudget, Statement, Unparsable, nodes, statements
from pinwatch.pins.triggers import characters
from pinwatch.pins.writes import written

NAMES: Final = "functions.txt"
COMMENT: Final = "--"
RUNNING: Final = re.compile(
    rb"\(|\b(?:call|copy|delete|do|insert|merge|truncate|update)\b", re.IGNORECASE
)
"""Matches each text that runs a function, DO or CALL, or fires a trigger."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """The code of one statement, as in "DO" or "f()", and where the statement is.

    position and size are in characters of the text.
    """

    code: tuple[str, ...]
    position: int
    size: int


def unseen(text: str) -> Iterator[Unseen]:
    """Yield the statements that run DO, CALL or functions that are not PostgreSQL's.

    Yield nothing for a text that the grammar refuses or that is expensive to parse.
    """
    try:
        found = statements(text, tokens(text))
    except (Unparsable, OverBudget):
        return
    at = characters(text)
    for one in found:
        names = [name for node in nodes(one.tree) for name in _code(*node)]
        if names:
            written = text[at(one.start) : at(one.end)]
            position = at(one.start) + len(written) - len(written.lstrip())
            yield Unseen(tuple(dict.fromkeys(names)), position, len(written.strip()))


def may_run_code(sql: bytes) -> bool:
    """Return False only for a text without a call, DO, CALL or a word that writes."""
    return RUNNING.search(sql) is not None


def running_code(text: str, found: Iterable[Statement]) -> tuple[str, ...]:
    """Return those of its statements that may run code which RDS Proxy does not see.

    They are those of ``unseen``, and those that may fire a trigger.
    """
    encoded = text.encode()
    return tuple(
        encoded[one.start : one.end].decode().strip()
        for one in found
        if any(_runs_code(*node) for node in nodes(one.tree))
    )


def _runs_code(node: str, fields: Any) -> bool:
    return any(_code(node, fields)) or any(written(node, fields))


def _code(node: str, fields: Any) -> Iterator[str]:
    if node == "DoStmt":
        yield "DO"
    elif node == "CallStmt":
        yield f"CALL {'.'.join(_name(fields['funccall']))}"
    else:
        yield from (f"{name}()" for name in called(node, fields))


def called(node: str, fields: Any) -> Iterator[str]:
    """Yield the name of a function or procedure that is not PostgreSQL's own."""
    call = fields["funccall"] if node == "CallStmt" else fields
    if node in ("CallStmt", "FuncCall") and not _is_own(_name(call)):
        yield ".".join(_name(call))


def _name(call: Any) -> list[str]:
    return [part["String"].get("sval", "") for part in call["funcname"]]


def _is_own(name: list[str]) -> bool:
    return name[:-1] == ["pg_catalog"] or (len(name) == 1 and name[0] in functions())


@cache
def functions() -> frozenset[str]:
    """Return the names of PostgreSQL's own functions."""
    lines = (files(__package__) / NAMES).read_text("utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith(COMMENT))
