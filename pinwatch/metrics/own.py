"""Metrics that RDS Proxy does not have: pins, their duration, and the proxy's own work.

The number of label values is bounded: rules, kinds of state, outcomes and roles are
fixed, and the tally limits the names of databases and users.
"""

from collections.abc import Mapping
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


def by_name(counts: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """Return the series of a metric whose only label is a rule or a kind."""
    return {(name,): count for name, count in counts.items()}


METRICS: Final = (
    Metric(
        "pinwatch_pins_total",
        "counter",
        ("rule", "database", "user"),
        "Sessions that pinned, by the rule that pinned them.",
        "sessions",
        lambda r: dict(r.tally.pins.items()),
    ),
    Metric(
        "pinwatch_pinned_seconds_total",
        "counter",
        ("rule",),
        "Time that sessions were pinned, including sessions that still are.",
        "seconds",
        lambda r: by_name(r.tally.pinned_seconds()),
    ),
    Metric(
        "pinwatch_pin_warnings_total",
        "counter",
        ("rule",),
        "Statements that did not pin but caused a warning.",
        "statements",
        lambda r: by_name(r.tally.warnings),
    ),
    Metric(
        "pinwatch_hidden_state_total",
        "counter",
        ("kind",),
        "States that statements left on a database connection, unseen by RDS Proxy; 0 "
        "while hidden_state is off.",
        "states",
        lambda r: by_name(r.tally.leaks),
    ),
    Metric(
        "pinwatch_hidden_state_probes_total",
        "counter",
        (),
        "Probes of a database connection for hidden state after a client used it.",
        "probes",
        lambda r: {(): sum(one.counters.probes for one in r.targets)},
    ),
    Metric(
        "pinwatch_transactions_total",
        "counter",
        ("outcome",),
        "Transactions by outcome: committed or rolled_back. A statement outside a "
        "transaction counts as one.",
        "transactions",
        transactions,
    ),
    Metric(
        "pinwatch_borrows_total",
        "counter",
        ("outcome",),
        "Borrows of a database connection by outcome: at_once, waited, timed_out or "
        "refused.",
        "requests",
        borrows,
    ),
    Metric(
        "pinwatch_borrow_queue_length",
        "gauge",
        (),
        "Clients that are waiting for a database connection.",
        "clients",
        lambda r: {(): sum(len(one.pool.waiting) for one in r.targets)},
    ),
    Metric(
        "pinwatch_failovers_total",
        "counter",
        (),
        "Failovers to another target, or back to the only one.",
        "failovers",
        lambda r: {(): r.tally.failovers},
    ),
    Metric(
        "pinwatch_multiplexing_ratio",
        "gauge",
        (),
        "Client connections divided by database connections; NaN without database "
        "connections.",
        "ratio",
        lambda r: {(): r.multiplexing_ratio},
    ),
    Metric(
        "pinwatch_statements_total",
        "counter",
        (),
        "Query and Execute messages, so that the extended protocol counts too.",
        "statements",
        lambda r: {(): sum(one.statements for one in r.endpoints)},
    ),
    Metric(
        "pinwatch_prepared_statements_reparsed_total",
        "counter",
        (),
        "Prepared statements that the proxy parsed again on another database "
        "connection.",
        "statements",
        lambda r: {(): sum(one.counters.reparsed for one in r.targets)},
    ),
    Metric(
        "pinwatch_bytes_total",
        "counter",
        ("side", "direction"),
        "Bytes after the login and without TLS overhead, by side (client or database)"
        " and by direction (received or sent by the proxy).",
        "bytes",
        passed,
    ),
    Metric(
        "pinwatch_verdict_cache_hits_total",
        "counter",
        (),
        "Query and Parse texts whose verdict was known, including texts that are too "
        "long to parse.",
        "texts",
        lambda r: {(): r.verdict_hits},
    ),
    Metric(
        "pinwatch_verdict_cache_misses_total",
        "counter",
        (),
        "Query and Parse texts whose verdict was not in the cache.",
        "texts",
        lambda r: {(): r.verdicts.misses},
    ),
    Metric(
        "pinwatch_verdict_cache_texts",
        "gauge",
        (),
        "Texts in the verdict cache.",
        "texts",
        lambda r: {(): len(r.verdicts)},
    ),
    Metric(
        "pinwatch_verdict_cache_bytes",
        "gauge",
        (),
        "Approximate memory that the verdict cache uses.",
        "bytes",
        lambda r: {(): r.verdicts.size},
    ),
    Metric(
        "pinwatch_build_info",
        "gauge",
        tuple(BUILD),
        "Always 1. The labels give the versions of pinwatch and Python, and whether "
        "pinwatch is compiled.",
        "1",
        lambda r: {tuple(BUILD.values()): 1},
    ),
)
