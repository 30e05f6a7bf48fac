"""One verdict for a migration: through the proxy, or past it, and why.

A migration belongs past the proxy if it pins, if its tool does, or if it does what a
proxy makes unsafe without a pin. A long statement or lock is no reason: it occupies one
database connection either way.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pinwatch.cli.answer import Judged
from pinwatch.cli.lint_leaks import Leak
from pinwatch.lint.migrations import Tool
from pinwatch.pins.carets import line_and_columns
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.reports.result import Level, Result

DATABASES: Final = DatabaseStatements(enabled=True)
MAX_PLACES: Final = 3  # in a verdict
PAST: Final = "connect it to the database's own endpoint, not to the proxy: {}."
THROUGH: Final = "may run through the proxy{}."
CONTESTED: Final = ", if {} does not pin (contested)"
UNKNOWN_TOOL: Final = ", unless its tool pins"
UNKNOWN: Final = "no verdict: {} statements or psql commands could not be judged."
UNKNOWN_ONE: Final = "no verdict: 1 statement or psql command could not be judged."
SUPPRESSED: Final = "it pins, by rules that are allowed or in the baseline"
ONE_MESSAGE: Final = "its {:,} bytes pin if they are sent as one message"
IN_USE: Final = "{} at line {} fails if the proxy has a connection to {} open"
LEFT_BEHIND: Final = "{} at line {} stays on the connection for the next client"
IN_PG_TEMP: Final = "the relation in pg_temp"


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration: its file, and what its statements do besides pinning.

    ``size`` is in bytes. ``unjudged`` is the number of statements that could not be
    judged, and of commands that run SQL from elsewhere.
    """

    file: str
    tool: Tool
    size: int
    hazards: Sequence[str]
    unjudged: int


@dataclass(frozen=True, slots=True)
class MigrationVerdict:
    """A verdict; ``through_proxy`` is None if a statement could not be judged."""

    migration: Migration
    through_proxy: bool | None
    sentence: str


def hazards(content: str, one: Judged, leaks: Iterable[Leak]) -> Iterator[str]:
    """Yield what a statement does that a proxy makes unsafe without a pin."""
    line, *_ = line_and_columns(content, one.position, one.position)
    sql = one.verdict.text
    for name in sorted(DATABASES.databases(sql.encode("utf-8", "replace"))):
        command = " ".join(sql.split()[:2]).upper()
        yield IN_USE.format(command, line, name.decode())
    if any(warning.rule == "pg_temp" for warning in one.verdict.warnings):
        yield LEFT_BEHIND.format(IN_PG_TEMP, line)
    for leak in leaks:
        if leak.is_immediate:
            yield LEFT_BEHIND.format(leak.state, leak.place.line)


def verdicts(
    migrations: Iterable[Migration], results: Iterable[Result]
) -> Iterator[MigrationVerdict]:
    """Yield a verdict for each migration; the results are those of all files."""
    by_file: dict[str, list[Result]] = {}
    for one in results:
        if one.pins:
            by_file.setdefault(one.place.file if one.place else "", []).append(one)
    for migration in migrations:
        yield _verdict(migration, by_file.get(migration.file, []))


def _verdict(migration: Migration, results: Sequence[Result]) -> MigrationVerdict:
    reasons = "; ".join(_reasons(migration, results))
    if reasons:
        return MigrationVerdict(migration, False, PAST.format(reasons))
    if migration.unjudged:
        several = UNKNOWN.format(migration.unjudged)
        sentence = UNKNOWN_ONE if migration.unjudged == 1 else several
        return MigrationVerdict(migration, None, sentence)
    conditions = "".join(_conditions(migration, results))
    return MigrationVerdict(migration, True, THROUGH.format(conditions))


def _conditions(migration: Migration, results: Sequence[Result]) -> Iterator[str]:
    """Yield the conditions on which a migration may run through the proxy."""
    contested = [one for one in results if one.level is Level.WARNING]
    if contested:
        yield CONTESTED.format(_places(contested))
    if not migration.tool.name:
        yield UNKNOWN_TOOL


def _reasons(migration: Migration, results: Sequence[Result]) -> Iterator[str]:
    """Yield the reasons to run a migration past the proxy."""
    pins = [one for one in results if one.level is Level.ERROR]
    if pins:
        yield f"it pins by {_places(pins)}"
    if any(one.level is Level.NOTE and not one.contested for one in results):
        yield SUPPRESSED
    if migration.size > MAX_STATEMENT and not migration.tool.splits:
        yield ONE_MESSAGE.format(migration.size)
    yield from migration.hazards
    if migration.tool.pins_by:
        yield f"{migration.tool.name} itself pins by {migration.tool.pins_by}"


def _places(results: Iterable[Result]) -> str:
    """Return rules and lines, as in "set at line 3, listen at line 5 and 2 more"."""
    places = dict.fromkeys(
        f"{one.rule} at line {one.place.line}" for one in results if one.place
    )
    shown = ", ".join(list(places)[:MAX_PLACES])
    more = len(places) - MAX_PLACES
    return f"{shown} and {more} more" if more > 0 else shown
