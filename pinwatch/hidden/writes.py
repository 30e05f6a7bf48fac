"""The tables that a statement writes to, whose triggers run."""

from collections.abc import Iterator
from typing import Final

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


def written(node: str, fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield the event and the name as written of each table that a node writes to."""
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
            yield from ((event, name) for event in events)
