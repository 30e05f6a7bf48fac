"""The sequence of a run: cases, rounds, and turns of the subjects."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import idle, pgbench, process, server, stream
from bench.cases import Case, Copy, Idle, Statements
from bench.client import Refused
from bench.metrics import Reading
from bench.results import FAILED, FOLDER, Run
from bench.subjects import Endpoint, Subject, started

_FAILURES: Final = (
    pgbench.Failed,
    process.NotStarted,
    ProcessLookupError,
    Refused,
    OSError,
    TimeoutError,
)
"""Errors of a turn that do not end the run."""

DISTURBED: Final = 0.1
"""Cores used by other work above which a turn is run again."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run: each case ``rounds`` times for ``seconds`` on every subject.

    A turn that other work disturbs is run again, up to ``attempts`` times in all.
    """

    cases: Sequence[Case]
    subjects: Sequence[Subject]
    seconds: int
    rounds: int
    attempts: int = 3

    @property
    def turns(self) -> int:
        """The number of turns of all subjects in all cases."""
        return len(self.cases) * len(self.subjects) * self.rounds


def carry_out(
    plan: Plan, say: Say, turn: Callable[[], None], results: Path = FOLDER
) -> Run:
    """Run the plan, and write the results into a folder after every case.

    ``say`` is called with progress texts, ``turn`` once per turn.
    """
    run = Run(
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        commit=commit(),
        machine=machine(),
        versions={subject.name: subject.version for subject in plan.subjects},
        options={"seconds": plan.seconds, "rounds": plan.rounds},
    )
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        say("starting PostgreSQL")
        with server.running(folder) as postgresql:
            for case in plan.cases:
                _Turns(plan, case, postgresql, folder / case.name, run, say, turn).all()
                run.write(results)
    return run


@dataclass(slots=True)
class _Turns:
    """The turns of all subjects at one case."""

    plan: Plan
    case: Case
    postgresql: server.Server
    folder: Path
    run: Run
    say: Say
    turn: Callable[[], None]

    def all(self) -> None:
        """Start the subjects, then load them in turn; for Idle, start one per turn."""
        self.run.cases.append(self.case.name)
        fit = [subject for subject in self.plan.subjects if self._fits(subject)]
        for _ in range(len(self.plan.subjects) - len(fit)):
            for _ in range(self.plan.rounds):
                self.turn()
        with ExitStack() as stack:
            if isinstance(self.case, Idle):
                for round_ in range(self.plan.rounds):
                    for subject in rotated(fit, round_):
                        with ExitStack() as alone:
                            self._turn(subject, self._start(subject, alone, round_))
                return
            endpoints = {s.name: self._start(s, stack, 0) for s in fit}
            for round_ in range(self.plan.rounds):
                for subject in rotated(fit, round_):
                    self._turn(subject, endpoints[subject.name])

    def _fits(self, subject: Subject) -> bool:
        reason = subject.unfit(self.case)
        reason = reason or process.raise_file_limit(self.case.clients)
        if reason is not None:
            self.run.excuse(self.case.name, subject.name, reason)
        return reason is None

    def _start(
        self, subject: Subject, stack: ExitStack, round_: int
    ) -> Endpoint | None:
        folder = self.folder / f"{subject.name}-{round_}"
        try:
            return stack.enter_context(
                started(subject, self.case, self.postgresql, folder)
            )
        except process.NotStarted as error:
            reason = f"{FAILED}not started, {error}"
            self.run.excuse(self.case.name, subject.name, reason)
            return None

    def _turn(self, subject: Subject, endpoint: Endpoint | None) -> None:
        if endpoint is not None:
            self.say(f"{self.case.name}: {subject.name}")
            try:
                reading = quietest(
                    lambda: load(self.case, endpoint, self.plan.seconds),
                    self.plan.attempts,
                )
            except _FAILURES as error:
                reason = str(error) or type(error).__name__
                if endpoint.log is not None:
                    reason += f"; its log ends: {process.tail(endpoint.log)}"
                self.run.excuse(self.case.name, subject.name, FAILED + reason)
                self.run.add(self.case.name, subject.name, {})
            else:
                self.run.add(self.case.name, subject.name, reading)
        self.turn()


def quietest(turn: Callable[[], Reading], attempts: int) -> Reading:
    """Return the first reading with little other work, else the one with the least.

    Other work includes that of a virtual machine's host.
    """
    readings: list[Reading] = []
    for _ in range(attempts):
        readings.append(turn())
        if others(readings[-1]) <= DISTURBED:
            break
    return min(readings, key=others)


def others(reading: Reading) -> float:
    """Return the cores used by other work; 0 if they were not read."""
    return reading.get("other_cores", 0.0)


def load(case: Case, endpoint: Endpoint, seconds: int) -> dict[str, float]:
    """Run the case's load on an endpoint; return its reading."""
    match case:
        case Statements():
            return pgbench.run(case, endpoint, seconds)
        case Copy():
            return stream.run(case, endpoint, seconds)
        case Idle():
            return idle.run(case, endpoint)
        case _:
            raise TypeError(f"no load is known for {case!r}")


def rotated(subjects: Sequence[Subject], by: int) -> list[Subject]:
    """Return the subjects, rotated by ``by``."""
    by %= max(len(subjects), 1)
    return [*subjects[by:], *subjects[:by]]


def machine() -> dict[str, str]:
    """Return the properties of the machine that affect the numbers."""
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": f"{os.getloadavg()[0]:.2f}",
    }


def commit() -> str:
    """Return the short commit of the project, with "+" if code differs from it."""
    done = _git("rev-parse", "--short", "HEAD")
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", ":!/docs").returncode
    return f"{done.stdout.strip()}{'+' * changed}" if done.stdout else "unknown"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    here = Path(__file__).parent
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
