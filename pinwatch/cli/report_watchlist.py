"""The watchlist that pinwatch report writes: the rows that a test can meet."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pinwatch.production.judgement import PARSE_MESSAGE
from pinwatch.production.ranking import Row
from pinwatch.testing.plugin.watchlist import Entry, Watchlist
from pinwatch.text import number_of

WRITTEN: Final = "Watchlist written: {}, {}."
NOT_WRITTEN: Final = "Watchlist not written: {}, because not all files could be read."
NO_DIGEST: Final = "Left out, because the log has no digest, or only its beginning: {}."


def watchlist_of(rows: Iterable[Row]) -> Watchlist:
    """Return the rows with a whole digest, and the pins of the others by rule.

    A contested statement is in it only if RDS Proxy logged it: calls in a database do
    not show that it pins. Parse messages no longer pin.
    """
    entries: list[Entry] = []
    without: Counter[str] = Counter()
    for row in rows:
        rule = row.cause.rule
        if not row.digest or row.cut_off:
            without[rule] += row.count
        elif rule != PARSE_MESSAGE and (
            row.count or row.ahead or not row.cause.contested
        ):
            entries.append(
                Entry(
                    rule=rule,
                    digest=row.digest,
                    count=row.count,
                    ahead=row.ahead,
                    calls=row.calls,
                    pinned_seconds=row.seconds,
                    last=row.last,
                )
            )
    return Watchlist(entries, +without)


def written(file: Path, found: Watchlist) -> Iterator[str]:
    """Yield sentences: what was written, and what is left out."""
    yield WRITTEN.format(file, number_of(len(found.entries), "digest"))
    left = [
        f"{rule} ({number_of(count, 'pin')})"
        for rule, count in found.without_digest.items()
    ]
    if left:
        yield NO_DIGEST.format(", ".join(left))
