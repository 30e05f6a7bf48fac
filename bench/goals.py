"""The goals: bounds on the metrics of a run, most of them relative to PgBouncer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from bench.metrics import BY_KEY
from bench.results import Run

YARDSTICKS: Final = ("direct", "pgbouncer")
"""Subjects without goals."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one metric in the cases whose name matches.

    ``bound`` limits the ratio to PgBouncer or, if ``absolute``, the value. It is a
    minimum if higher is better, otherwise a maximum.
    """

    cases: str
    metric: str
    bound: float
    absolute: bool = False


GOALS: Final = (
    *(
        Goal(f"{protocol}-{clients}", metric, 1.0)
        for protocol in ("simple", "extended")
        for clients in (10, 100)
        for metric in ("tps", "cpu_us_per_transaction")
    ),
    *(
        Goal(f"prepared-{clients}", metric, bound)
        for clients in (10, 100)
        for metric, bound in (("tps", 1 / 1.15), ("cpu_us_per_transaction", 1.15))
    ),
    Goal("*-100", "p99_ms", 1.2),
    Goal("connect-scram-*", "tps", 0.5),
    Goal("rows-*", "mb_per_s", 0.8),
    Goal("copy-*", "mb_per_s", 0.8),
    Goal("idle-10000", "idle_kb_per_client", 12.0, absolute=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one goal in one case for one subject."""

    case: str
    subject: str
    goal: Goal
    reached: float
    met: bool


def outcomes(run: Run) -> Iterator[Outcome]:
    """Yield the outcome of each goal for each case and subject with the metric."""
    for goal in GOALS:
        for case, subjects in run.readings.items():
            if not fnmatchcase(case, goal.cases):
                continue
            for subject in subjects:
                if subject not in YARDSTICKS:
                    yield from _outcome(run, case, subject, goal)


def _outcome(run: Run, case: str, subject: str, goal: Goal) -> Iterator[Outcome]:
    summary = run.summary(case, subject, goal.metric)
    if summary is None:
        return
    reached = summary.median if goal.absolute else summary.ratio
    if reached is None:
        return
    if BY_KEY[goal.metric].higher_is_better:
        met = reached >= goal.bound
    else:
        met = reached <= goal.bound
    yield Outcome(case, subject, goal, reached, met)
