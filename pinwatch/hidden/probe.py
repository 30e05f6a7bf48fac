"""The queries that find the state of a database connection.

They work under any search_path, role, client_encoding or default of transactions. A
statement_timeout can cancel them.
"""

import codecs
import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from pinwatch.hidden.wording import (
    ADVISORY_LOCK,
    CHANNEL,
    CURSOR,
    PREPARED_STATEMENT,
    ROLE,
    SESSION_AUTHORIZATION,
    SETTING,
    TEMPORARY_OBJECT,
)

FIRST_OID: Final = 16_384
"""The first object identifier that PostgreSQL gives to an object of a user.

https://www.postgresql.org/docs/current/system-catalog-initial-data.html
"""
TWO_KEYS: Final = 2
"""The ``objsubid`` in pg_locks of an advisory lock that has two keys of 32 bits."""
MAX_VALUE: Final = 2_049  # characters of a value that a probe reads
VERSION: Final = "version"
"""The row that changes with the functions, policies and triggers of the database."""
READ_COMMITTED: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
"""Under SERIALIZABLE READ ONLY DEFERRABLE, a query waits for other transactions."""
OF_TRANSACTION: Final = (
    "{transaction_isolation, transaction_read_only, transaction_deferrable}"
)
"""Settings that the probe's own transaction has changed, as an array of PostgreSQL."""

STATE: Final = f"""
SELECT '{SETTING}' AS kind, name,
       pg_catalog.left(pg_catalog.current_setting(name), {MAX_VALUE}) AS value
FROM pg_catalog.pg_settings
WHERE source OPERATOR(pg_catalog.=) 'session'
  AND setting OPERATOR(pg_catalog.<>) COALESCE(reset_val, '')
  AND name OPERATOR(pg_catalog.<>) ALL (CAST('{OF_TRANSACTION}' AS pg_catalog.text[]))
UNION ALL
SELECT '{SETTING}', name,
       pg_catalog.left(pg_catalog.current_setting(name, true), {MAX_VALUE})
FROM pg_catalog.unnest(CAST(%s AS pg_catalog.text[])) AS asked (name)
UNION ALL
SELECT '{ROLE}', '{ROLE}', pg_catalog.current_setting('role')
UNION ALL
SELECT '{SESSION_AUTHORIZATION}', '{SESSION_AUTHORIZATION}',
       CAST(SESSION_USER AS pg_catalog.text)
UNION ALL
SELECT '{PREPARED_STATEMENT}', name, pg_catalog.left(statement, {MAX_VALUE})
FROM pg_catalog.pg_prepared_statements WHERE from_sql
UNION ALL
SELECT '{TEMPORARY_OBJECT}', CAST(relname AS pg_catalog.text), ''
FROM pg_catalog.pg_class
WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.oid)
  AND relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
  AND relkind OPERATOR(pg_catalog.=) ANY ('{{r,v,S,p,m,f}}')
UNION ALL
SELECT '{CURSOR}', name, pg_catalog.left(statement, {MAX_VALUE})
FROM pg_catalog.pg_cursors WHERE is_holdable
UNION ALL
SELECT '{CHANNEL}', channel, '' FROM pg_catalog.pg_listening_channels() AS channel
UNION ALL
SELECT '{ADVISORY_LOCK}', pg_catalog.concat_ws(' ', classid, objid, objsubid), ''
FROM pg_catalog.pg_locks
WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND granted
  AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
UNION ALL
SELECT '{VERSION}', '', pg_catalog.concat_ws(' ', pg_catalog.count(*),
       pg_catalog.sum(CAST(CAST(xmin AS pg_catalog.text) AS pg_catalog.int8)))
FROM (SELECT xmin FROM pg_catalog.pg_proc
      WHERE oid OPERATOR(pg_catalog.>=) {FIRST_OID}
      UNION ALL SELECT xmin FROM pg_catalog.pg_policy
      UNION ALL SELECT xmin FROM pg_catalog.pg_trigger
      UNION ALL SELECT xmin FROM pg_catalog.pg_namespace) AS code
"""
"""Rows of kind, name and value; the placeholder is an array of settings.

Settings are those that differ from their default, and those that are asked for by name.
pg_settings does not list custom settings.
"""

NAME: Final = r"""([a-z_]\w*(?:\.[a-z_]\w*)+)"""
CUSTOM_SETTING: Final = re.compile(
    rf"(?:'|\bset\s+(?:local\s+|session\s+)?){NAME}", re.IGNORECASE | re.ASCII
)
"""Matches a name with a dot in a string, as set_config takes it, or after SET."""
CUSTOM_SETTINGS: Final = f"""
SELECT DISTINCT pg_catalog.lower(found[1])
FROM (SELECT CASE WHEN prosrc <> '' THEN prosrc ELSE pg_get_functiondef(oid) END
      FROM pg_proc WHERE oid >= {FIRST_OID} AND prokind IN ('f', 'p')
      UNION ALL
      SELECT concat_ws(' ', pg_get_expr(polqual, polrelid),
                       pg_get_expr(polwithcheck, polrelid))
      FROM pg_policy) AS code (text),
     regexp_matches(text,
       '(?:''|[[:<:]]set[[:space:]]+(?:local[[:space:]]+|session[[:space:]]+)?)'
       '([a-z_][a-z0-9_]*(?:[.][a-z_][a-z0-9_]*)+)', 'gi') AS found
"""
"""Rows of a name in the code of the database that may be that of a custom setting.

It has no backslash, which standard_conforming_strings gives two meanings.
"""
DEFAULTS: Final = """
SELECT name, pg_catalog.set_config(name, NULL, true)
FROM pg_catalog.unnest(CAST(%s AS pg_catalog.text[])) AS asked (name)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL
"""
"""Rows of a setting and its default, for those of an array that have a value."""


class State(NamedTuple):
    """State of a database connection; value is empty for a kind that has none."""

    kind: str
    name: str
    value: str


class Probed(NamedTuple):
    """The state of a connection, and the version of the code in its database."""

    states: frozenset[State]
    version: str


def custom_settings(texts: Iterable[str]) -> frozenset[str]:
    """Return the names in SQL that may be those of custom settings, in lower case."""
    return frozenset(
        name.lower() for text in texts for name in CUSTOM_SETTING.findall(text)
    )


def state_query(settings: Iterable[str]) -> str:
    """Return the query whose result is for ``probed``.

    The names of settings must consist of letters, digits, underscores and dots.
    """
    return READ_COMMITTED + as_document(_with_names(STATE, settings))


def defaults_query(settings: Iterable[str]) -> str:
    """Return a query for the defaults of settings; its result is for ``document``."""
    return READ_COMMITTED + as_document(_with_names(DEFAULTS, settings))


def _with_names(sql: str, settings: Iterable[str]) -> str:
    names = ", ".join(f"'{name}'" for name in sorted(settings))
    return sql.replace("%s", f"ARRAY[{names}]")


def as_document(rows: str) -> str:
    """Return SQL whose only value has all rows of a query, for ``document``.

    The value is ASCII, whatever the client_encoding is: the name of the database's
    encoding, and the bytes of a JSON text in it.
    """
    return f"""
SELECT pg_catalog.concat_ws(' ', pg_catalog.getdatabaseencoding(), pg_catalog.encode(
       pg_catalog.convert_to(CAST(COALESCE(pg_catalog.json_agg(
       pg_catalog.to_json(one)), '[]') AS pg_catalog.text),
       pg_catalog.getdatabaseencoding()), 'hex'))
FROM ({rows}) AS one"""


def document(value: bytes) -> list[list[str | None]]:
    """Return the rows in the value of a query that ``as_document`` made."""
    encoding, _, digits = value.decode().partition(" ")
    found = json.loads(bytes.fromhex(digits).decode(codec(encoding), "replace"))
    return [
        [None if one is None else str(one) for one in row.values()] for row in found
    ]


def codec(encoding: str) -> str:
    """Return Python's name of an encoding of PostgreSQL; UTF-8 if it has none."""
    try:
        return codecs.lookup(encoding.replace("WIN", "cp")).name
    except LookupError:
        return "utf-8"


def probed(value: bytes) -> Probed:
    """Return what the value of a probe says, without settings that have no value."""
    states = set()
    version = ""
    for kind, name, found in document(value):
        if kind == VERSION:
            version = found or ""
        elif kind == ADVISORY_LOCK:
            states.add(State(ADVISORY_LOCK, lock_key(name or ""), ""))
        elif found or kind != SETTING:
            states.add(State(kind or "", name or "", found or ""))
    return Probed(frozenset(states), version)


def lock_key(identifiers: str) -> str:
    """Return the key of an advisory lock, as in "42" or "1, 2".

    identifiers are the columns classid, objid and objsubid of pg_locks, which shows the
    halves of a key as unsigned numbers.
    https://www.postgresql.org/docs/current/view-pg-locks.html
    """
    high, low, keys = map(int, identifiers.split())
    if keys == TWO_KEYS:
        return f"{_signed(high, 32)}, {_signed(low, 32)}"
    return str(_signed(high << 32 | low, 64))


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number
