"""The section that closes pytest's terminal output."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import shorten

from pinwatch.pins.carets import SHOWN
from pinwatch.testing.found import Leak, Pin
from pinwatch.testing.plugin.baseline import Entry
from pinwatch.testing.plugin.record import Outcome, Record, outcomes
from pinwatch.testing.plugin.report import Report
from pinwatch.testing.plugin.watchlist import Watchlist
from pinwatch.testing.plugin.wording import left, repeated, title
from pinwatch.text import number_of, printable

MAX_TESTS = 10  # in the lists of tests and of fixtures
MAX_DIGESTS = 10  # of production that the tests did not meet
NOTHING = (
    "nothing went through pinwatch: no {}; connect the application to "
    "pinwatch_proxy.url()"
)


def summary(
    report: Report,
    gone: list[Entry],
    updated: Path | None,
    watchlist: Watchlist | None,
) -> Iterator[str]:
    """Yield the lines; ``updated`` is the baseline file if it was written."""
    yield from _counts(report)
    if report.records:
        yield f"by rule: {_counted(record.found.rule for record in report.records)}"
        yield from _by_test(report)
    yield from _shown(report)
    if report.ratio is not None:
        clients = number_of(report.clients, "client")
        connections = number_of(report.connections, "database connection")
        yield (
            f"multiplexing ratio: {report.ratio:.1f} (peak: {clients}, {connections})"
        )
    for entry in gone:
        done = "removed from" if updated else "no longer occurs, remove from"
        yield f"{done} the baseline: {entry.rule} in {entry.test}: {entry.digest}"
    if updated:
        yield f"baseline written: {updated}"
    if watchlist is not None:
        yield from _production(report, watchlist)


def _counts(report: Report) -> Iterator[str]:
    if not report.asked:
        yield NOTHING.format("test used the fixture pinwatch_proxy")
    elif not report.clients:
        yield NOTHING.format("client connected to pinwatch_proxy")
    else:
        yield _count(report.pins, "pin") if report.pins else "no pins"
        if report.leaks:
            yield _count(report.leaks, "leak")


def _count(records: Sequence[Record], noun: str) -> str:
    numbers = ", ".join(
        f"{number} {outcome}" for outcome, number in outcomes(records).items() if number
    )
    return f"{number_of(len(records), noun)}: {numbers}"


def _by_test(report: Report) -> Iterator[str]:
    tests, fixtures = Counter[str](), Counter[str]()
    for record in report.records:
        if record.fixture_scope:
            fixtures[f"{record.test} ({record.fixture_scope})"] += 1
        else:
            tests[record.test] += 1
    yield from _most_common(tests, "test")
    yield from _most_common(fixtures, "fixture")


def _most_common(counts: Counter[str], noun: str) -> Iterator[str]:
    for name, count in counts.most_common(MAX_TESTS):
        yield f"by {noun}: {count} in {name}"
    if len(counts) > MAX_TESTS:
        yield f"by {noun}: and {len(counts) - MAX_TESTS} more {noun}s"


def _shown(report: Report) -> Iterator[str]:
    """Yield the pins and leaks that fail no test and are not known."""
    for outcome in (Outcome.REPORTED, Outcome.CONTESTED):
        for same in repeated(one for one in report.records if one.outcome is outcome):
            found = same[0].found
            shown = shorten(printable(found.statement), SHOWN, placeholder=" ...")
            yield f"{outcome}, {title(same)}: {shown}"
            if isinstance(found, Leak):
                yield from left(found)
                yield f"  = fix: {printable(found.advice)}"


def _production(report: Report, watchlist: Watchlist) -> Iterator[str]:
    """Yield how many digests of the watchlist the tests met, and those not met."""
    unmet = watchlist.unmet(
        one.found for one in report.records if isinstance(one.found, Pin)
    )
    count = len(watchlist.entries)
    met = count - len(unmet)
    yield f"production: the tests met {met} of {number_of(count, 'digest')}"
    for entry in unmet[:MAX_DIGESTS]:
        digest = shorten(printable(entry.digest), SHOWN, placeholder=" ...")
        yield f"no test sent this digest: {digest} ({entry.rule}; {entry.seen})"
    if len(unmet) > MAX_DIGESTS:
        yield f"no test sent {len(unmet) - MAX_DIGESTS} more digests"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
