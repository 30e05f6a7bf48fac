"""Rows of what was found, short enough to compare."""

from collections.abc import Iterable

from pinwatch.infrastructure.found import Row


def values(rows: Iterable[Row]) -> dict[str, str]:
    """Return the values by resource and property."""
    return {f"{row.resource}.{row.name}": row.value for row in rows}


def notes(rows: Iterable[Row]) -> dict[str, str]:
    return {f"{row.resource}.{row.name}": row.note for row in rows}
