"""The messages of a fuzzed client, in a form that can be printed and read back.

Owns their encoding. A statement may contain ``{t}``, the client's own table, and
``/*17000*/``, a comment of that many bytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests import wireclient

Argument = str | int | None

PADDING: Final = re.compile(r"/\*(\d+)\*/")


@dataclass(frozen=True, slots=True)
class Action:
    """One message: the name of a function of this module, and its arguments."""

    name: str
    arguments: tuple[Argument, ...]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"

    def encode(self, table: str) -> bytes:
        """Return the message of the client whose own table has this name."""
        return ENCODERS[self.name](*(expand(value, table) for value in self.arguments))


def expand(value: Argument, table: str) -> Argument:
    if not isinstance(value, str):
        return value
    text = value.replace("{t}", table)
    return PADDING.sub(lambda match: f"/*{'x' * int(match[1])}*/", text)


ENCODERS: Final[dict[str, Callable[..., bytes]]] = {
    "query": wireclient.query,
    "parse": wireclient.parse,
    "bind": lambda portal, statement, *values: wireclient.bind(
        statement, *values, portal=portal
    ),
    "describe": wireclient.describe,
    "describe_portal": wireclient.describe_portal,
    "execute": wireclient.execute,
    "close": wireclient.close,
    "close_portal": wireclient.close_portal,
    "flush": lambda: wireclient.FLUSH,
    "sync": lambda: wireclient.SYNC,
    "call": wireclient.call,
    "copy_data": lambda text: wireclient.copy_data(text.encode()),
    "copy_done": lambda: wireclient.COPY_DONE,
    "copy_fail": wireclient.copy_fail,
}


def query(sql: str) -> Action:
    return Action("query", (sql,))


def parse(name: str, sql: str, *types: int) -> Action:
    return Action("parse", (name, sql, *types))


def bind(portal: str, statement: str, *values: str | None) -> Action:
    return Action("bind", (portal, statement, *values))


def describe(statement: str) -> Action:
    return Action("describe", (statement,))


def describe_portal(portal: str) -> Action:
    return Action("describe_portal", (portal,))


def execute(portal: str, limit: int = 0) -> Action:
    """Return an Execute for at most limit rows; 0 means all."""
    return Action("execute", (portal, limit) if limit else (portal,))


def close(statement: str) -> Action:
    return Action("close", (statement,))


def close_portal(portal: str) -> Action:
    return Action("close_portal", (portal,))


def flush() -> Action:
    return Action("flush", ())


def sync() -> Action:
    return Action("sync", ())


def call(function: int, *values: str | None) -> Action:
    return Action("call", (function, *values))


def copy_data(text: str) -> Action:
    return Action("copy_data", (text,))


def copy_done() -> Action:
    return Action("copy_done", ())


def copy_fail(why: str) -> Action:
    return Action("copy_fail", (why,))


NAMES: Final[dict[str, Any]] = {name: globals()[name] for name in ENCODERS}
"""The functions that the text of a script uses."""
