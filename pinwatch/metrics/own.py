"""Metrics that RDS Proxy does not have: pins, their duration, and the proxy's own work.

The number of label values is bounded: rules, outcomes and roles are fixed, and the
tally limits the names of databases and users.
"""

from typing import Final

from pinwatch import __version__
from pinwatch.metrics.family import Metric
from pinwatch.metrics.reading import Reading
from pinwatch.version import COMPILED, PYTHON

BUILD: Final = {
    "version": __version__,
    "python": PYTHON,
    "compiled": str(COMPILED).lower(),
}


def transactions(reading: Reading) -> dict[tuple[str, ...], float]:
    every = [target.counters for target in reading.targets]
    return {
        ("committed",): sum(counters.committed for counters in every),
        ("rolled_back",): sum(counters.rolled_back for counters in every),
    }


def borrows(reading: Reading) -> dict[tuple[str, ...], float]:
    every = [endpoint.counters for endpoint in reading.endpoints]
    return {
        ("at_once",): sum(counters.borrows_at_once for counters in every),
        ("waited",): sum(counters.borrows_waited for counters in every),
        ("timed_out",): sum(counters.borrow_timeouts for counters in every),
        ("refused",): sum(counters.borrows_refused for counters in every),
    }


def passed(reading: Reading) -> dict[tuple[str, ...], float]:
    endpoints, targets = reading.endpoints, reading.targets
    return {
        ("client", "received"): sum(one.received for one in endpoints),
        ("client", "sent"): sum(one.sent for one in endpoints),
        ("database", "received"): sum(one.counters.received for one in targets),
        ("database", "sent"): sum(one.counters.sent for one in targets),
    }


def by_rule(counts: dict[str, float]) -> dict[tuple[str, ...], float]:
    return {(rule,): count for rule, count in counts.items()}


METRICS: Final = (
    Metric(
        "pinwatch_pins_total",
        "counter",
        ("rule", "database", "user"),
        "Sessions that pinned, by the rule that came first.",
        "sessions",
        lambda r: dict(r.tally.pins.items()),
    ),
    Metric(
        "pinwatch_pinned_seconds_total",
        "counter",
        ("rule",),
        "How long sessions were pinned, those that still are included.",
        "seconds",
        lambda r: by_rule(r.tally.pinned_seconds()),
    ),
    Metric(
        "pinwatch_pin_warnings_total",
        "counter",
        ("rule",),
        "Statements that do not pin, and deserved a word.",
        "statements",
        lambda r: by_rule(dict(r.tally.warnings.items())),
    ),
    Metric(
        "pinwatch_transactions_total",
        "counter",
        ("outcome",),
        "Transactions, a statement outside of one included, by outcome: committed or "
        "rolled_back.",
        "transactions",
        transactions,
    ),
    Metric(
        "pinwatch_borrows_total",
        "counter",
        ("outcome",),
        "ClientStream for a database connection, by outcome: at_once, waited, timed_out or "
        "refused.",
        "stream",
        borrows,
    ),
    Metric(
        "pinwatch_borrow_queue_length",
        "gauge",
        (),
        "Clients that wait for a database connection.",
        "clients",
        lambda r: {(): sum(len(one.pool.waiting) for one in r.targets)},
    ),
    Metric(
        "pinwatch_failovers_total",
        "counter",
        (),
        "Times that another target became the writer, or the only one came back.",
        "failovers",
        lambda r: {(): r.tally.failovers},
    ),
    Metric(
        "pinwatch_multiplexing_ratio",
        "gauge",
        (),
        "Client connections over database connections; NaN without any of the latter.",
        "ratio",
        lambda r: {(): r.multiplexing_ratio},
    ),
    Metric(
        "pinwatch_statements_total",
        "counter",
        (),
        "Query and Execute messages: what QueryRequests leaves out is here.",
        "statements",
        lambda r: {(): sum(one.statements for one in r.endpoints)},
    ),
    Metric(
        "pinwatch_prepared_statements_reparsed_total",
        "counter",
        (),
        "Statements that were prepared once more, on another database connection.",
        "statements",
        lambda r: {(): sum(one.counters.reparsed for one in r.targets)},
    ),
    Metric(
        "pinwatch_bytes_total",
        "counter",
        ("side", "direction"),
        "Bytes after the login, without TLS's own, by side (client or database) and "
        "direction, as the proxy sees it (received or sent).",
        "bytes",
        passed,
    ),
    Metric(
        "pinwatch_verdict_cache_hits_total",
        "counter",
        (),
        "Texts of Query and Parse that were judged before; one that is too long to be "
        "judged counts.",
        "texts",
        lambda r: {(): r.verdict_hits},
    ),
    Metric(
        "pinwatch_verdict_cache_misses_total",
        "counter",
        (),
        "Texts that had to be judged.",
        "texts",
        lambda r: {(): r.verdicts.misses},
    ),
    Metric(
        "pinwatch_verdict_cache_texts",
        "gauge",
        (),
        "Texts whose verdict is remembered.",
        "texts",
        lambda r: {(): r.verdict_texts},
    ),
    Metric(
        "pinwatch_verdict_cache_bytes",
        "gauge",
        (),
        "What they take, about.",
        "bytes",
        lambda r: {(): r.verdict_bytes},
    ),
    Metric(
        "pinwatch_build_info",
        "gauge",
        tuple(BUILD),
        "1; the version of pinwatch and of Python, and whether its hot modules are "
        "compiled.",
        "1",
        lambda r: {tuple(BUILD.values()): 1},
    ),
)
