"""The tables that a statement writes to, whose triggers run."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pinwatch.pins.rules import Fields

EVENTS: Final = {
    "InsertStmt": ("INSERT",),
    "UpdateStmt": ("UPDATE",),
    "DeleteStmt": ("DELETE",),
    "MergeStmt": ("INSERT", "UPDATE", "DELETE"),
    "CopyStmt": ("INSERT",),
    "TruncateStmt": ("TRUNCATE",),
}
"""The events of triggers, by the node that causes them."""


class Write(NamedTuple):
    """An event of triggers, and the name of its table as written."""

    event: str
    table: str


def written(node: str, fields: Fields) -> Iterator[Write]:
    """Yield the tables that a node writes to, each with its event."""
    if node not in EVENTS or (node == "CopyStmt" and not fields.get("is_from")):
        return
    relations = [fields.get("relation"), *fields.get("relations", ())]
    events = EVENTS[node]
    if "onConflictClause" in fields:
        events += ("UPDATE",)
    for relation in relations:
        found = (relation or {}).get("RangeVar", relation)
        if found:
            parts = (found.get("schemaname"), found["relname"])
            name = ".".join(part for part in parts if part)
            yield from (Write(event, name) for event in events)
