"""The databases that a statement needs free of other connections.

The server refuses such a statement with object_in_use (55006) while another session is
connected: DROP DATABASE, ALTER DATABASE ... RENAME TO and SET TABLESPACE, and CREATE
DATABASE, whose template has to be free. Knows the grammar, but no connections.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pinwatch.pins.tokens import tokens
from pinwatch.pins.tree import OverBudget, Unparsable, statements

MAX_TEXT: Final = 2_048  # bytes; a longer text holds data, and is not inspected
DATABASE: Final = b"database"
VERBS: Final = (b"drop", b"alter", b"create")
DEFAULT_TEMPLATE: Final = "template1"

Fields = Mapping[str, Any]


class DatabaseStatements:
    """Finds the databases that statements need free, while it is enabled."""

    __slots__ = ("enabled",)

    def __init__(self, enabled: bool = False) -> None:
        self.enabled = enabled

    def databases(self, sql: bytes) -> frozenset[bytes]:
        """Return the databases that the text needs free; none while not enabled."""
        if not self.enabled or len(sql) > MAX_TEXT:
            return NONE
        lowered = sql.lower()
        if DATABASE not in lowered or not any(verb in lowered for verb in VERBS):
            return NONE
        return databases(sql)


NONE: Final[frozenset[bytes]] = frozenset()


def databases(sql: bytes) -> frozenset[bytes]:
    """Return the databases that a text needs free; none if it cannot be parsed."""
    try:
        text = sql.decode("utf-8", "replace")
        found = statements(text, tokens(text))
    except (Unparsable, OverBudget):
        return NONE
    return frozenset(
        name.encode()
        for statement in found
        for node, fields in statement.tree.items()
        if node in NEEDED
        for name in NEEDED[node](fields)
    )


def _dropped(statement: Fields) -> Iterator[str]:
    yield statement["dbname"]


def _renamed(statement: Fields) -> Iterator[str]:
    if statement.get("renameType") == "OBJECT_DATABASE":
        yield statement["subname"]


def _moved(statement: Fields) -> Iterator[str]:
    if "tablespace" in _options(statement):
        yield statement["dbname"]


def _copied(statement: Fields) -> Iterator[str]:
    template = _options(statement).get("template") or {}
    for constant in template.values():
        yield str(constant.get("sval", constant.get("ival", "")))
    if not template:
        yield DEFAULT_TEMPLATE


def _options(statement: Fields) -> dict[str, Fields | None]:
    """Return the values of the options by name; None stands for DEFAULT."""
    elements = [option["DefElem"] for option in statement.get("options", ())]
    return {element["defname"]: element.get("arg") for element in elements}


NEEDED: Final[Mapping[str, Callable[[Fields], Iterator[str]]]] = {
    "DropdbStmt": _dropped,
    "RenameStmt": _renamed,
    "AlterDatabaseStmt": _moved,
    "CreatedbStmt": _copied,
}
