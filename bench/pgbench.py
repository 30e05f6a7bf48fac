"""One run of pgbench, read in windows of a second.

The time before the first progress report is warm-up and is not counted. CPU is read at
each progress report, so that it includes neither logins nor start-up, unless the case
is about logins.
"""

from __future__ import annotations

import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import install, process
from bench.cases import MB, Statements
from bench.metrics import latencies
from bench.server import DATABASE
from bench.subjects import Endpoint, client_environment
from bench.usage import Usage, usage

SAMPLED: Final = 0.25
"""The share of transactions whose latency is logged, if there are many."""


MANY_CLIENTS: Final = 500

MANY_LOGINS: Final = 5
"""Additional seconds for MANY_CLIENTS or more.

The duration of pgbench begins at its first login, and its first report may come right
after the last login.
"""


class Failed(Exception):
    """The load did not run to its end; the text quotes its last lines."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The counts at one progress report.

    ``at`` is in seconds since 1970.
    """

    at: float
    transactions: float
    usage: Usage
    rss_mb: float


def run(case: Statements, endpoint: Endpoint, seconds: int) -> dict[str, float]:
    """Return one reading of about ``seconds`` - 1 seconds. Raises Failed."""
    with TemporaryDirectory(prefix="bench-pgbench-") as name:
        folder = Path(name)
        moments = _watch(case, endpoint, seconds, folder)
        if _many(case):
            moments = moments[1:]
        if len(moments) < 2:
            raise Failed("pgbench reported no progress")
        first, last = moments[0], moments[-1]
        lines = _log_lines(folder)
        if case.reconnect:
            times = cycles(lines, first.at)
        else:
            times = [int(line[2]) / 1000 for line in lines if ended(line) >= first.at]
    if not times:
        raise Failed("no transaction ended")
    return _reading(case, endpoint, first, last) | latencies(times)


def _reading(
    case: Statements, endpoint: Endpoint, first: Moment, last: Moment
) -> dict[str, float]:
    span = last.at - first.at
    transactions = last.transactions - first.transactions
    if transactions <= 0:
        raise Failed("no transaction ended")
    reading = {
        "tps": transactions / span,
        **first.usage.cores(last.usage, span),
    }
    megabytes = case.result_bytes * transactions / MB
    if megabytes:
        reading["mb_per_s"] = megabytes / span
    if endpoint.pid is not None:
        cpu = last.usage.proxy - first.usage.proxy
        reading["rss_mb"] = last.rss_mb
        reading["cpu_us_per_transaction"] = cpu / transactions * 1e6
        if megabytes:
            reading["cpu_us_per_mb"] = cpu / megabytes * 1e6
    return reading


def _watch(
    case: Statements, endpoint: Endpoint, seconds: int, folder: Path
) -> list[Moment]:
    """Run pgbench to its end; return the counts at each of its progress reports."""
    with subprocess.Popen(
        _command(case, endpoint, seconds, folder),
        env=client_environment(case),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as pgbench:
        assert pgbench.stderr is not None
        watchdog = threading.Timer(3 * seconds + 60, pgbench.kill)
        watchdog.start()
        try:
            moments: list[Moment] = []
            said: list[str] = []
            transactions = 0.0
            for line in pgbench.stderr:
                if not line.startswith("progress: "):
                    said.append(line.strip())
                    continue
                at, rate = progress(line)
                if moments:
                    transactions += rate * (at - moments[-1].at)
                moments.append(_moment(at, transactions, endpoint, pgbench.pid))
        finally:
            watchdog.cancel()
    if pgbench.returncode != 0:
        words = " | ".join(said[-3:])
        raise Failed(f"pgbench ended with {pgbench.returncode}: {words}")
    return moments


def _command(
    case: Statements, endpoint: Endpoint, seconds: int, folder: Path
) -> list[str | Path]:
    jobs = min(case.clients, 16 if case.reconnect else 2)
    few = case.reconnect or case.result_bytes > 0
    command: list[str | Path] = [install.postgresql("pgbench"), "--no-vacuum"]
    command += ["--host", process.LOOPBACK, "--port", str(endpoint.port)]
    command += ["--client", str(case.clients), "--jobs", str(jobs)]
    duration = seconds + (MANY_LOGINS if _many(case) else 0)
    command += ["--time", str(duration), "--protocol", case.protocol]
    command += ["--progress", "1", "--progress-timestamp"]
    command += ["--log", f"--log-prefix={folder / 'latency'}"]
    command += [] if few else [f"--sampling-rate={SAMPLED}"]
    command += ["--connect"] if case.reconnect else []
    if case.script is None:
        command += ["--select-only"]
    else:
        script = folder / "script.sql"
        script.write_text(case.script)
        command += ["--file", script]
    return [*command, DATABASE]


def _moment(at: float, transactions: float, endpoint: Endpoint, load: int) -> Moment:
    return Moment(
        at,
        transactions,
        usage=usage(endpoint, process.cpu_seconds(load)),
        rss_mb=0.0 if endpoint.pid is None else process.resident_mb(endpoint.pid),
    )


def progress(line: str) -> tuple[float, float]:
    """Return time (s since 1970) and transactions per second of a progress report.

    >>> progress("progress: 1700000001.250 s, 2034.0 tps, lat 0.4 ms stddev 0.1")
    (1700000001.25, 2034.0)
    """
    at, rate = line.removeprefix("progress: ").split(", ")[:2]
    return float(at.removesuffix(" s")), float(rate.removesuffix(" tps"))


def _many(case: Statements) -> bool:
    """Return True if the logins may take more than the warm-up second."""
    return case.clients >= MANY_CLIENTS


def _log_lines(folder: Path) -> Iterator[list[str]]:
    """Yield client, transaction number, latency in µs, script, end in s, its µs."""
    for path in folder.glob("latency.*"):
        with path.open() as file:
            yield from (line.split() for line in file)


def ended(line: list[str]) -> float:
    """Return the end of a log line's transaction, in seconds since 1970."""
    return int(line[4]) + int(line[5]) / 1e6


def cycles(lines: Iterator[list[str]], since: float) -> list[float]:
    """Return the milliseconds between the ends of each client's transactions.

    The latency that pgbench logs does not include the connect.
    """
    ends: defaultdict[str, list[float]] = defaultdict(list)
    for line in lines:
        if (end := ended(line)) >= since:
            ends[line[0]].append(end)
    return [
        (later - earlier) * 1000
        for of_client in ends.values()
        for earlier, later in pairwise(of_client)
    ]
