"""The sources of pinwatch report beside files: a running pinwatch, and a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from pinwatch.cli.database import parsed_target
from pinwatch.cli.http_side import HttpSide
from pinwatch.config.target import Target
from pinwatch.errors import ClientError, PinwatchError
from pinwatch.production.files import InputError
from pinwatch.production.ranking import Ranking
from pinwatch.production.records import Executed
from pinwatch.production.running import read_api, time_of
from pinwatch.production.statements import executed
from pinwatch.targets.query import rows
from pinwatch.text import number_of

EXTENSION: Final = """
SELECT quote_ident(nspname), quote_ident(current_user)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_stat_statements'
"""
STATEMENTS: Final = "SELECT row_to_json(s) FROM {}.pg_stat_statements s"
HIDDEN: Final = "<insufficient privilege>"
"""The text of other roles' statements without the role pg_read_all_stats."""
GRANT: Final = "{} may not read the text of {}: run GRANT pg_read_all_stats TO {}."
MISSING: Final = (
    "The database {} has no pg_stat_statements: run CREATE EXTENSION "
    "pg_stat_statements in it, or name another database."
)
NOT_LOADED: Final = (
    "pg_stat_statements is not loaded: add it to shared_preload_libraries and restart "
    "the server."
)
OBJECT_NOT_IN_PREREQUISITE_STATE: Final = "55000"


def read_live(
    ranking: Ranking, side: HttpSide | None, database: str | None
) -> list[str]:
    """Add the pins of a running pinwatch and the statements of a database.

    Return a sentence for each that cannot be read.
    """
    problems: list[str] = []
    try:
        if side is not None:
            _add_running(ranking, side)
    except PinwatchError as error:
        problems.append(str(error))
    try:
        if database is not None:
            _add_database(ranking, database)
    except PinwatchError as error:
        problems.append(str(error))
    return problems


def _add_running(ranking: Ranking, side: HttpSide) -> None:
    """Add the pins that a running pinwatch keeps; raises SettingError."""
    with side.expected():
        pins = side.get_list("/api/pins?first=true")
        ranking.add_all(read_api(pins, side.get_list("/api/sessions")))
        now = time_of(side.get("/api/proxy"))
        if now is not None:
            ranking.extend_to(now)


def _add_database(ranking: Ranking, url: str) -> None:
    """Add pg_stat_statements of a database; raises SettingError and InputError."""
    target = parsed_target(url)
    hidden = 0
    try:
        schema, role = _extension(target)
        for statement in _statements(target, schema):
            hidden += statement.sql == HIDDEN
            ranking.add(statement)
    except ClientError as error:
        is_unloaded = error.sqlstate == OBJECT_NOT_IN_PREREQUISITE_STATE
        problem = NOT_LOADED if is_unloaded else f"{error.text.rstrip('.')}."
        raise InputError(target.address, problem) from None
    if hidden:
        problem = GRANT.format(target.user, number_of(hidden, "statement"), role)
        raise InputError(target.address, problem)


def _extension(target: Target) -> tuple[str, str]:
    """Return the schema of pg_stat_statements and the role, as SQL has them.

    Raises InputError if the database does not have the extension.
    """
    found = list(rows(target, EXTENSION))
    if not found:
        raise InputError(target.address, MISSING.format(target.database))
    schema, role = map(_text, found[0])
    return schema, role


def _statements(target: Target, schema: str) -> Iterator[Executed]:
    query = STATEMENTS.format(schema)
    for number, (document,) in enumerate(rows(target, query), 1):
        yield from executed(target.address, json.loads(_text(document)), number)


def _text(cell: bytes | None) -> str:
    """Return a cell that is not NULL as text."""
    return (cell or b"").decode("utf-8", "replace")
