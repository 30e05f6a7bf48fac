"""The metrics, with their units, and if higher is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Reading = Mapping[str, float]
"""Numbers by metric's key, of one subject in one case and round."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity of a reading.

    ``digits`` is the number of decimals shown. ``judged`` is true if the ratio to
    PgBouncer is shown.
    """

    key: str
    title: str
    unit: str
    higher_is_better: bool = False
    digits: int = 1
    judged: bool = True


METRICS: Final = (
    Metric("tps", "transactions", "/s", higher_is_better=True, digits=0),
    Metric("mb_per_s", "throughput", "MB/s", higher_is_better=True, digits=0),
    Metric("connects_per_s", "connects", "/s", higher_is_better=True, digits=0),
    Metric("p50_ms", "p50", "ms", digits=2),
    Metric("p95_ms", "p95", "ms", digits=2),
    Metric("p99_ms", "p99", "ms", digits=2),
    Metric("cpu_us_per_transaction", "proxy CPU", "µs/tx"),
    Metric("cpu_us_per_mb", "proxy CPU", "µs/MB", digits=0),
    Metric("rss_mb", "memory", "MB"),
    Metric("idle_kb_per_client", "idle client", "KB", digits=2),
    Metric("served_kb_per_client", "served client", "KB", digits=2),
    Metric("proxy_cores", "proxy", "cores", digits=2, judged=False),
    Metric("load_cores", "load", "cores", digits=2, judged=False),
    Metric("server_cores", "server", "cores", digits=2, judged=False),
    Metric("other_cores", "other work", "cores", digits=2, judged=False),
)
"""MB is 10**6 bytes for traffic; MB and KB of memory are 2**20 and 2**10 bytes.

The latencies ``p50_ms``, ``p95_ms`` and ``p99_ms`` are from the sending of a statement
to its reply. If each transaction has its own connection, they include connect and
disconnect. Cores are CPU seconds per second: see `bench.usage`.
"""

BY_KEY: Final = {metric.key: metric for metric in METRICS}


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which ``share`` (0..1) of the ascending values lie.

    Raises ValueError if there are no values.
    """
    if not ordered:
        raise ValueError("no latencies were recorded")
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def latencies(milliseconds: list[float]) -> dict[str, float]:
    """Return the three latency metrics of transactions, given in any order."""
    ordered = sorted(milliseconds)
    return {
        "p50_ms": percentile(ordered, 0.50),
        "p95_ms": percentile(ordered, 0.95),
        "p99_ms": percentile(ordered, 0.99),
    }
