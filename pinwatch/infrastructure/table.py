"""The table of the properties that were found, for the terminal."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

from rich.table import Table
from rich.text import Text

from pinwatch.infrastructure.found import Found, Row

USED: Final = "Used"
UNRESOLVED: Final = "Not resolved"
MEANINGLESS: Final = "No local meaning"


def table(found: Found, winners: Mapping[str, str]) -> Table:
    """Return the table. ``winners`` maps a setting to its source with precedence."""
    built = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        built.add_column(overflow="fold")
    sections = (
        (USED, list(_used(found.used, winners))),
        (UNRESOLVED, found.unresolved),
        (MEANINGLESS, found.meaningless),
    )
    for title, rows in sections:
        if rows:
            built.add_row(Text(title, "bold"))
        for resource, properties in groupby(rows, attrgetter("resource")):
            built.add_row(Text(f"  {resource}"))
            for row in properties:
                name = Text(f"    {row.name}")
                built.add_row(name, Text(row.value), Text(row.note, "dim"))
    return built


def _used(rows: Iterable[Row], winners: Mapping[str, str]) -> Iterator[Row]:
    for row in rows:
        winner = winners.get(row.note) or winners.get(row.note.partition(".")[0])
        yield row._replace(note=f"{row.note}: {winner} wins") if winner else row
