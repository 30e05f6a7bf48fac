"""The sources of pinwatch report beside files: a running pinwatch, and a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from pinwatch.cli.database import database as named
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

STATEMENTS: Final = "SELECT row_to_json(s) FROM pg_stat_statements s"
HIDDEN: Final = "<insufficient privilege>"
"""The text of other roles' statements without the role pg_read_all_stats."""
GRANT: Final = (
    "The text of {} is hidden from {}: GRANT pg_read_all_stats TO {} shows it."
)
MISSING: Final = {
    "42P01": "The database {} has no pg_stat_statements: run CREATE EXTENSION "
    "pg_stat_statements in it, or name another database.",
    "55000": "pg_stat_statements is not loaded: add it to shared_preload_libraries "
    "and restart the server.",
}
"""Sentences by SQLSTATE: undefined_table, object_not_in_prerequisite_state."""


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
    target = named(url)
    hidden = 0
    try:
        for statement in _statements(target):
            hidden += statement.sql == HIDDEN
            ranking.add(statement)
    except ClientError as error:
        problem = MISSING.get(error.sqlstate, f"{error.text.rstrip('.')}.")
        name = target.database
        raise InputError(target.address, problem.format(name)) from None
    if hidden:
        text = number_of(hidden, "statement")
        problem = GRANT.format(text, target.user, target.user)
        raise InputError(target.address, problem)


def _statements(target: Target) -> Iterator[Executed]:
    for number, (document,) in enumerate(rows(target, STATEMENTS), 1):
        text = (document or b"{}").decode("utf-8", "replace")
        yield from executed(target.address, json.loads(text), number)
