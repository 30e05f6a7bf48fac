"""The reader of pgbench's reports and logs."""

from __future__ import annotations

import pytest

from bench.metrics import latencies
from bench.pgbench import cycles, ended, progress


def test_a_progress_report_tells_time_and_rate() -> None:
    line = "progress: 1700000001.250 s, 2034.0 tps, lat 0.4 ms stddev 0.1, 0 failed\n"
    assert progress(line) == (1700000001.25, 2034.0)


def test_a_log_line_tells_when_its_transaction_ended() -> None:
    assert ended(["0", "199", "2241", "0", "1700000001", "250000"]) == 1700000001.25


def test_a_cycle_lasts_from_one_end_to_the_next_of_the_same_client() -> None:
    log = [
        "0 1 100 0 10 000000",
        "0 2 100 0 11 000000",
        "1 1 100 0 11 500000",
        "0 3 100 0 11 250000",
        "1 2 100 0 12 000000",
    ]
    lines = (line.split() for line in log)
    assert cycles(lines, since=10.5) == [250.0, 500.0]


def test_latencies_are_percentiles() -> None:
    assert latencies([float(ms) for ms in range(100, 0, -1)]) == {
        "p50_ms": 51.0,
        "p95_ms": 96.0,
        "p99_ms": 100.0,
    }
    with pytest.raises(ValueError, match="no latencies"):
        latencies([])
