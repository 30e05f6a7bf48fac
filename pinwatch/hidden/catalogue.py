"""The functions and triggers of a database, as its catalogue has them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
Row = Sequence[str | None]
_Names = defaultdict[tuple[str, str], list[T]]
"""Objects by schema and name."""

FUNCTIONS: Final = """
SELECT n.nspname, p.proname,
       CASE WHEN p.prokind IN ('f', 'p') THEN pg_catalog.pg_get_functiondef(p.oid) END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY p.oid
"""
"""Rows of schema, name and definition.

An aggregate or window function has no definition."""

TRIGGERS: Final = """
SELECT n.nspname, c.relname, e.event, fn.nspname || '.' || f.proname
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
"""Rows of schema, table, event and function."""

SEARCH_PATH: Final = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))"
"""Rows of a schema, in the order in which names are looked up."""


class Catalogue:
    """Finds functions and triggers by the names that statements write.

    A name without a schema is looked up in the schemas of the search path.
    """

    def __init__(
        self, functions: Iterable[Row], triggers: Iterable[Row], path: Iterable[str]
    ) -> None:
        self._path = tuple(path)
        self._functions: _Names[str] = defaultdict(list)
        for schema, name, definition in map(_texts, functions):
            self._functions[schema, name].append(definition)
        self._triggers: _Names[tuple[str, str]] = defaultdict(list)
        for schema, table, event, function in map(_texts, triggers):
            self._triggers[schema, table].append((event, function))

    def definitions(self, function: str) -> Sequence[str]:
        """Return CREATE statements of the functions that a name may call.

        The statement of an aggregate or window function is empty.
        """
        return self._find(self._functions, function)

    def triggered(self, event: str, table: str) -> Sequence[str]:
        """Return the functions that an event on a table calls, with their schemas."""
        found = self._find(self._triggers, table)
        return [function for on, function in found if on == event]

    def _find(self, names: "_Names[T]", name: str) -> Sequence[T]:
        schema, _, last = name.rpartition(".")
        for one in (schema,) if schema else self._path:
            if (one, last) in names:
                return names[one, last]
        return ()


def _texts(row: Row) -> list[str]:
    return [value or "" for value in row]
