"""The comparison at the end of a soak: what clients know, the database, pinwatch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.server import Server
from bench.soak.books import Books, Count
from bench.soak.memory import LIMIT
from bench.soak.run import Outcome, State, connect

ALARMS: Final = ("Traceback", "[ERROR]", "never retrieved", "observer failed")
"""Words in the log that no run may cause."""

SHORT_LIVED: Final = ("RequestResponseCycle.run_asgi",)
"""Tasks of HTTP requests."""

OF_CLIENTS: Final = (
    "pinwatch.relay.client_session.ClientSession",
    "pinwatch.relay.client_startup.ClientStartup",
    "pinwatch.relay.reply_tracker.ReplyTracker",
    "pinwatch.sockets.stream.Stream",
    "pinwatch.tls.stream.TlsStream",
)
"""Types whose objects live as long as a connection."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison."""

    name: str
    passed: bool
    found: str


def checks(outcome: Outcome, server: Server) -> Iterator[Check]:
    """Compare while pinwatch still runs."""
    yield from _rows(outcome.books, server)
    yield from _counters(outcome)
    yield from _nothing_is_left(outcome)
    yield _slope(outcome)
    problems = outcome.books.problems
    yield Check("replies", not problems, "; ".join(problems) or "all as expected")


def _rows(books: Books, server: Server) -> Iterator[Check]:
    unknown = sorted(books.rows.unknown)
    with connect(server) as connection:
        found = connection.execute(
            "SELECT count(*) FILTER (WHERE row <> ALL (%(unknown)s)),"
            " coalesce(sum(row) FILTER (WHERE row <> ALL (%(unknown)s)), 0),"
            " count(*), count(DISTINCT row) FROM ledger",
            {"unknown": unknown},
        ).fetchone()
    assert found is not None
    rows, total, every, distinct = found
    known = books.rows.committed, books.rows.total
    text = (
        f"{rows:,} rows in the database, {known[0]:,} by the clients, sums {total:,} "
        f"and {known[1]:,}; {every - rows} of {len(unknown)} unknown ones committed"
    )
    yield Check("rows", (rows, total) == known and every == distinct, text)


def _counters(outcome: Outcome) -> Iterator[Check]:
    books, metrics = outcome.books, outcome.metrics
    connections = Count(books.connections, books.connections)
    expected = {
        "client_connections_received_total": connections,
        "client_connections_closed_total": connections,
        "client_connections_setup_succeeded_total": books.logins,
        "client_connections_setup_failed_auth_total": books.wrong_passwords,
        "query_requests_total": books.queries,
        "statements_total": books.statements,
        "pins_total": books.pins,
    }
    for name, count in expected.items():
        value = metrics[f"pinwatch_{name}"]
        text = f"{value:,.0f} by pinwatch, {count} by the clients"
        yield Check(name, count.admits(value), text)
    observers = outcome.observers
    seen = observers.events["pin"] + observers.events["unpin"] + observers.missed
    first, last = observers.first_id, observers.last_id
    text = f"{seen:,} events of pins {first:,} to {last:,}"
    yield Check("event stream", 2 * (last - first + 1) == seen, text)


def _nothing_is_left(outcome: Outcome) -> Iterator[Check]:
    after = outcome.after
    assert after is not None
    pool = {name: outcome.pool[name] for name in ("clients", "waiting", "borrowed")}
    yield Check("sessions", not outcome.sessions, f"{len(outcome.sessions)} sessions")
    yield Check("pool", not any(pool.values()), f"{pool}")
    yield _same("files", outcome.before.files, after.files)
    yield _same("tasks", _lasting(outcome.before), _lasting(after))
    before, now = outcome.before.server_connections, after.server_connections
    text = f"{now}, and {before} before"
    yield Check("server connections", now == before, text)
    grown = {
        name.rpartition(".")[2]: many
        for name, many in after.objects.items()
        if name in OF_CLIENTS and many > outcome.before.objects.get(name, 0)
    }
    yield Check("objects of connections", not grown, f"{grown or 'none left'}")


def _lasting(state: State) -> list[str]:
    return [task for task in state.tasks if task not in SHORT_LIVED]


def _same(name: str, before: list[str], after: list[str]) -> Check:
    more = +(Counter(after) - Counter(before))
    text = f"{len(after)}, and {len(before)} before"
    return Check(name, not more, f"{text}; more: {dict(more)}" if more else text)


def _slope(outcome: Outcome) -> Check:
    curve = outcome.curve
    first, last = curve.measured[0], curve.measured[-1]
    text = (
        f"{curve.slope:+.4f} MB a minute from minute {first.seconds / 60:.1f} to "
        f"{last.seconds / 60:.1f} (limit {LIMIT}); {curve.samples[0].uss:.1f} MB at "
        f"the beginning, {last.uss:.1f} MB at the end"
    )
    return Check("memory", curve.slope < LIMIT, text)


def after_the_end(status: int, log: Path, connections: int) -> Iterator[Check]:
    """Compare when pinwatch has stopped."""
    yield Check("exit status", status == 0, str(status))
    yield Check("server connections at the end", not connections, str(connections))
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if any(alarm in line for alarm in ALARMS)]
    text = f"{len(lines):,} lines; {found[:5] or 'none is an error'}"
    yield Check("log", not found, text)
