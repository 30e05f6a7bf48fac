"""The functions and triggers of a database, as its catalogue has them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Row = Sequence[str | None]

FUNCTIONS: Final = """
SELECT n.nspname, p.proname,
       pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname),
       CASE WHEN p.prokind IN ('f', 'p') THEN pg_catalog.pg_get_functiondef(p.oid) END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY p.oid
"""
"""Rows of schema, name, place in the search path or NULL, and definition.

An aggregate or window function has no definition."""

TRIGGERS: Final = """
SELECT n.nspname, c.relname,
       pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname),
       e.event, fn.nspname || '.' || f.proname
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
JOIN (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE'))
     AS e (bit, event) ON t.tgtype & e.bit <> 0
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY t.tgname
"""
"""Rows of schema, table, place in the search path or NULL, event and function."""


class Catalogue:
    """Finds functions and triggers by the names that statements write.

    A name without a schema is looked up in the search path of the catalogue's session.
    """

    def __init__(self, functions: Iterable[Row], triggers: Iterable[Row]) -> None:
        self._functions = _Names[str]()
        for schema, name, place, definition in map(_texts, functions):
            self._functions.add(schema, name, place, definition)
        self._triggers = _Names[tuple[str, str]]()
        for schema, table, place, event, function in map(_texts, triggers):
            self._triggers.add(schema, table, place, (event, function))

    def definitions(self, function: str) -> Sequence[str]:
        """Return CREATE statements of the functions that a name may call.

        The statement of an aggregate or window function is empty.
        """
        return self._functions.find(function)

    def triggered(self, event: str, table: str) -> Sequence[str]:
        """Return the functions that an event on a table calls, with their schemas."""
        found = self._triggers.find(table)
        return [function for on, function in found if on == event]


class _Names(Generic[T]):
    """Objects by name, with and without a schema."""

    def __init__(self) -> None:
        self._qualified: defaultdict[str, list[T]] = defaultdict(list)
        # By name: the first schema in the path that has it, after that schema's place.
        self._schemas: dict[str, tuple[int, str]] = {}

    def add(self, schema: str, name: str, place: str, value: T) -> None:
        self._qualified[f"{schema}.{name}"].append(value)
        if place:
            seen = int(place), schema
            self._schemas[name] = min(self._schemas.get(name, seen), seen)

    def find(self, name: str) -> Sequence[T]:
        if name in self._schemas:
            name = f"{self._schemas[name][1]}.{name}"
        return self._qualified.get(name, ())


def _texts(row: Row) -> list[str]:
    return [value or "" for value in row]
