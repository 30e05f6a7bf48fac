"""The query that finds the state of a database connection.

Works whatever that state is: under any search_path, role or client_encoding, and with
any default of a transaction. A statement_timeout can cancel it.
"""

import json
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
VERSION: Final = "version"
"""The row that changes with the functions, policies and triggers of the database."""

OF_TRANSACTION: Final = (
    "{transaction_isolation, transaction_read_only, transaction_deferrable}"
)
"""Settings that the probe's own transaction has changed, as an array of PostgreSQL."""

STATE: Final = f"""
SELECT '{SETTING}' AS kind, name, pg_catalog.current_setting(name) AS value
FROM pg_catalog.pg_settings
WHERE source OPERATOR(pg_catalog.=) 'session'
  AND setting OPERATOR(pg_catalog.<>) reset_val
  AND name OPERATOR(pg_catalog.<>) ALL (CAST('{OF_TRANSACTION}' AS pg_catalog.text[]))
UNION ALL
SELECT '{SETTING}', name, pg_catalog.current_setting(name, true)
FROM pg_catalog.unnest(CAST(%s AS pg_catalog.text[])) AS asked (name)
UNION ALL
SELECT '{ROLE}', '{ROLE}', pg_catalog.current_setting('role')
UNION ALL
SELECT '{SESSION_AUTHORIZATION}', '{SESSION_AUTHORIZATION}',
       CAST(SESSION_USER AS pg_catalog.text)
UNION ALL
SELECT '{PREPARED_STATEMENT}', name, statement
FROM pg_catalog.pg_prepared_statements WHERE from_sql
UNION ALL
SELECT '{TEMPORARY_OBJECT}', CAST(relname AS pg_catalog.text), ''
FROM pg_catalog.pg_class
WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
  AND relkind OPERATOR(pg_catalog.=) ANY ('{{r,v,S,p,m,f}}')
UNION ALL
SELECT '{CURSOR}', name, statement FROM pg_catalog.pg_cursors WHERE is_holdable
UNION ALL
SELECT '{CHANNEL}', channel, '' FROM pg_catalog.pg_listening_channels() AS channel
UNION ALL
SELECT '{ADVISORY_LOCK}', pg_catalog.concat_ws(' ', classid, objid, objsubid), ''
FROM pg_catalog.pg_locks
WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND granted
  AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
UNION ALL
SELECT '{VERSION}', '', pg_catalog.concat_ws(' ', pg_catalog.count(*),
       pg_catalog.max(CAST(CAST(xmin AS pg_catalog.text) AS pg_catalog.int8)))
FROM (SELECT xmin FROM pg_catalog.pg_proc
      WHERE oid OPERATOR(pg_catalog.>=) {FIRST_OID}
      UNION ALL SELECT xmin FROM pg_catalog.pg_policy
      UNION ALL SELECT xmin FROM pg_catalog.pg_trigger) AS code
"""
"""Rows of kind, name and value; the placeholder is an array of settings.

Settings are those that differ from their default, and those that are asked for by name.
pg_settings does not list custom settings.
"""


class State(NamedTuple):
    """State of a database connection; value is empty for a kind that has none."""

    kind: str
    name: str
    value: str


class Probed(NamedTuple):
    """The state of a connection, and the version of the code in its database."""

    states: frozenset[State]
    version: str


def probe(settings: Iterable[str]) -> str:
    """Return the probe's SQL; its result is for ``probed``.

    The names of settings must consist of letters, digits, underscores and dots.
    """
    names = ", ".join(f"'{name}'" for name in sorted(settings))
    return READ_COMMITTED + as_document(STATE.replace("%s", f"ARRAY[{names}]"))


READ_COMMITTED: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
"""Under SERIALIZABLE READ ONLY DEFERRABLE, a query waits for other transactions."""


def as_document(rows: str) -> str:
    """Return SQL whose only value has all rows of a query, for ``document``.

    The value is ASCII, whatever the client_encoding is.
    """
    return f"""
SELECT pg_catalog.encode(pg_catalog.convert_to(CAST(COALESCE(
       pg_catalog.json_agg(pg_catalog.to_json(one)), '[]') AS pg_catalog.text),
       'UTF8'), 'hex')
FROM ({rows}) AS one"""


def document(value: bytes) -> list[list[str | None]]:
    """Return the rows in the value of a query that ``as_document`` made."""
    found = json.loads(bytes.fromhex(value.decode()))
    return [
        [None if one is None else str(one) for one in row.values()] for row in found
    ]


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
