"""The ranking of pinwatch report, as text, as JSON and as results for other programs.

Owns the words for a row. Does not know files and options.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from pinwatch.cli import report_init_query
from pinwatch.cli.formats import Contested, level
from pinwatch.production.capacity import Capacity
from pinwatch.production.init_query import InitQuery
from pinwatch.production.ranking import Ranking, Row, Suspect
from pinwatch.reports.result import (
    DOCUMENT_VERSION,
    Problem,
    Report,
    Result,
)
from pinwatch.text import duration, number_of, printable, timestamp

MOST_PERCENT: Final = 100
MOST: Final = 20  # rows without --all
NOT_ALL_READ: Final = "No pins were found, but not all files could be read."
MAX_TEXT: Final = 200  # characters of a digest in a terminal
UNKNOWN_TO_LOGS: Final = (
    "Logs do not say how many other sessions had borrowed a connection: add the "
    "difference of the metrics DatabaseConnectionsCurrentlyBorrowed and "
    "DatabaseConnectionsCurrentlySessionPinned, and the 30 % that AWS advises."
)
NO_SESSIONS: Final = (
    "MaxConnectionsPercent is not known, because no session with a time and a "
    "clientConnection was read: give --max-connections a log of RDS Proxy."
)


@dataclass(frozen=True, slots=True)
class Found:
    """All that the report shows."""

    ranking: Ranking
    rows: Sequence[Row]
    suspects: Sequence[Suspect]
    problems: Sequence[str]
    max_connections: int | None = None

    @property
    def init_query(self) -> InitQuery:
        return self.ranking.settings.init_query()

    @property
    def capacity(self) -> Capacity | None:
        ranking = self.ranking
        if self.max_connections is None or not (ranking.peak or ranking.peak_clients):
            return None
        return Capacity.of(ranking, self.max_connections)


def summary(found: Found) -> str:
    """Return one sentence: how many pins, for how long, and when."""
    if not found.rows:
        return NOT_ALL_READ if found.problems else "Nothing pins."
    parts = [number_of(sum(row.count for row in found.rows), "pin")]
    seconds = sum(row.seconds for row in found.rows)
    if seconds:
        parts.append(f"{duration(seconds)} pinned")
    if found.ranking.first and found.ranking.last:
        parts.append(
            f"{minute(found.ranking.first)} to {minute(found.ranking.last)} UTC"
        )
    if found.ranking.repeated:
        parts.append(f"{number_of(found.ranking.repeated, 'repeated line')} left out")
    return ", ".join(parts) + "."


def figures(row: Row) -> str:
    """Return the row's counts and times, as in "3 pins, 29 min pinned"."""
    parts: list[str] = []
    if row.count:
        parts.append(number_of(row.count, "pin"))
    if row.seconds:
        parts.append(f"{duration(row.seconds)} pinned")
    if row.lasting:
        parts.append(f"{row.lasting} not ended")
    if row.hosts:
        parts.append(f"from {number_of(len(row.hosts), 'host')}")
    if row.ahead:
        parts.append(f"{number_of(row.ahead, 'warning')} of prepared statements")
    if row.calls:
        parts.append(f"{number_of(row.calls, 'call')} in the database")
    return ", ".join(parts)


def size(suspect: Suspect) -> str:
    return f"{suspect.size:,} bytes, {number_of(suspect.calls, 'call')}"


def what_if(found: Found) -> list[str]:
    """Return sentences on the pinned sessions at a time, and without each rule."""
    sentences = [*_peaks(found.ranking)]
    if found.capacity is not None:
        sentences += _percents(found.capacity)
    elif found.max_connections is not None:
        sentences.append(NO_SESSIONS)
    return sentences


def _peaks(ranking: Ranking) -> Iterator[str]:
    peak, seconds = ranking.peak, ranking.seconds_without()
    if peak == 1:
        yield "At most one session was pinned at a time."
    elif peak:
        yield f"At most {number_of(peak, 'session')} were pinned at a time."
    for rule, without in ranking.peaks_without().items():
        yield (
            f"Without {rule}: at most {without}, {duration(seconds[rule])} pinned."
            if without
            else f"Without {rule}: none."
        )


def _percents(capacity: Capacity) -> Iterator[str]:
    """Yield sentences on the MaxConnectionsPercent that suffices, and on its limits."""
    if capacity.without:
        without = ", ".join(
            f"{_percent(percent)} without {rule}"
            for rule, percent in capacity.without.items()
        )
        sign = ">" if capacity.pinned > MOST_PERCENT else "="
        yield (
            f"With max_connections = {capacity.max_connections}, the pinned sessions "
            f"alone need MaxConnectionsPercent {sign} "
            f"{min(capacity.pinned, MOST_PERCENT)} ({without})."
        )
    if capacity.clients is not None:
        clients = _percent(capacity.clients)
        yield f"A connection for each connected client needs {clients}."
    yield UNKNOWN_TO_LOGS


def _percent(percent: int) -> str:
    return str(percent) if percent <= MOST_PERCENT else f"more than {MOST_PERCENT}"


def minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def first_fix(rows: Sequence[Row]) -> str:
    """Return the sentence that says which row to fix first."""
    total = sum(row.seconds for row in rows)
    if not rows or not total:
        return ""
    share = 100 * rows[0].seconds / total
    return f"{share:.0f} % of the pinned time is by {rows[0].cause.rule}: fix it first."


def shortened(text: str, most: int) -> str:
    """Return text of at most this many printable characters; "…" ends a cut one."""
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


# For programs.


def report(found: Found, contested: Contested) -> Report:
    """Return the rows as results; contested ones count if contested says so."""
    return Report(
        "pinwatch report",
        [_result(row, contested) for row in found.rows],
        [Problem(problem) for problem in found.problems],
    )


def _result(row: Row, contested: Contested) -> Result:
    digest = f' Digest: "{row.digest}".' if row.digest else ""
    return Result(
        rule=row.cause.rule,
        level=level(row.cause.contested, contested),
        statement=row.digest,
        digest=row.digest,
        reason=f"{figures(row)}.{digest}",
        advice=row.cause.fix.text,
        count=row.count or row.calls or row.ahead,
    )


def document(found: Found) -> dict[str, Any]:
    """Return the object of --format json."""
    seconds = sum(row.seconds for row in found.rows)
    return {
        "version": DOCUMENT_VERSION,
        "first": _time(found.ranking.first),
        "last": _time(found.ranking.last),
        "peak": found.ranking.peak,
        "peak_without": found.ranking.peaks_without(),
        "pinned_seconds": seconds,
        "pinned_seconds_without": found.ranking.seconds_without(),
        "max_connections_percent": asdict(found.capacity) if found.capacity else None,
        "repeated": found.ranking.repeated,
        "pins": [_row(row, seconds) for row in found.rows],
        "suspects": [
            {"digest": one.digest, "bytes": one.size, "calls": one.calls}
            for one in found.suspects
        ],
        "init_query": report_init_query.document(found.init_query),
        "problems": list(found.problems),
    }


def _row(row: Row, seconds: float) -> dict[str, Any]:
    """Return a row; seconds is the pinned time of all rows."""
    return {
        "rule": row.cause.rule,
        "digest": row.digest,
        "contested": row.cause.contested,
        "driver": row.cause.fix.driver,
        "driver_certainty": row.cause.fix.certainty,
        "count": row.count,
        "ahead": row.ahead,
        "calls": row.calls,
        "first": _time(row.first),
        "last": _time(row.last),
        "clients": row.clients,
        "hosts": dict(row.hosts.most_common()),
        "applications": sorted(row.applications),
        "pinned_seconds": row.seconds,
        "pinned_seconds_without": round(seconds - row.seconds, 3),
        "still_pinned": row.lasting,
        "peak_without": row.peak_without,
        "fix": row.cause.fix.text,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


# Text, for people.


def lines(found: Found, everything: bool) -> Iterator[tuple[str, str]]:
    """Yield the lines of the text, each with its style for rich."""
    rows = found.rows
    most = len(rows) if everything else MOST
    yield summary(found), "bold" if rows else "green"
    for number, row in enumerate(rows[:most], 1):
        yield "", ""
        yield from _row_lines(number, row)
    if sentences := what_if(found):
        yield "", ""
        yield " ".join(sentences), "bold"
    yield from _init_query(found)
    if len(rows) > most:
        yield "", ""
        yield f"{number_of(len(rows) - most, 'row')} more: --all shows them.", "dim"
    if found.suspects:
        yield "", ""
        yield "Statements that may exceed 16,384 bytes when they are sent:", "bold"
        for one in found.suspects[:most]:
            calls = number_of(one.calls, "call")
            yield (
                f"  {one.size:,} bytes, {calls}: {shortened(one.digest, MAX_TEXT)}",
                "",
            )


def _init_query(found: Found) -> Iterator[tuple[str, str]]:
    query = found.init_query
    if sentences := list(report_init_query.sentences(query, found.rows)):
        yield "", ""
        yield f"{report_init_query.TITLE}:", "bold"
        for text in filter(None, [query.sql, *sentences]):
            yield f"  {text}", ""


def _row_lines(number: int, row: Row) -> Iterator[tuple[str, str]]:
    contested = ", contested" if row.cause.contested else ""
    yield f"{number}. {row.cause.rule}{contested}: {figures(row)}", "bold red"
    if row.digest:
        yield f"  {shortened(row.digest, MAX_TEXT)}", ""
    if row.first and row.last:
        yield f"  First {minute(row.first)}, last {minute(row.last)} UTC.", ""
    if row.cause.fix.text:
        yield f"  {row.cause.fix}", ""
