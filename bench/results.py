"""The readings of a run, their summaries, and their JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.metrics import Reading

FOLDER: Final = Path(__file__).parent / "results"
YARDSTICK: Final = "pgbouncer"

FAILED: Final = "failed: "
"""The prefix of a reason that is a failure, and not a limit of the subject."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of one subject in one case, over the rounds.

    ``ratio`` is None without a reading of PgBouncer, ``spread`` after one round.
    """

    median: float
    spread: float | None
    ratio: float | None


@dataclass(slots=True)
class Run:
    """The results of one run of the command.

    ``readings`` has one reading per round by case and subject. ``absent`` has the
    reason, by case and subject, if any reading is missing.
    """

    started: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    options: dict[str, int]
    cases: list[str] = field(default_factory=list)
    readings: dict[str, dict[str, list[Reading]]] = field(default_factory=dict)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, case: str, subject: str, reading: Reading) -> None:
        """Add the reading of one round; it is empty for a round that failed."""
        self.readings.setdefault(case, {}).setdefault(subject, []).append(reading)

    def excuse(self, case: str, subject: str, reason: str) -> None:
        """Record the reason why a reading of the subject is missing."""
        self.absent.setdefault(case, {})[subject] = reason

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the case and subject of each reading or reason, in the run's order."""
        for case in self.cases:
            for subject in self.versions:
                if (
                    subject in self.readings.get(case, {})
                    or subject in self.absent.get(case, {})
                ):  # fmt: skip
                    yield case, subject

    def values(self, case: str, subject: str, metric: str) -> list[float]:
        """Return the value of one metric in each round that has it."""
        readings = self.readings.get(case, {}).get(subject, [])
        return [reading[metric] for reading in readings if metric in reading]

    def summary(self, case: str, subject: str, metric: str) -> Summary | None:
        """Return the summary of a metric over the rounds, or None without a value."""
        values = self.values(case, subject, metric)
        if not values:
            return None
        of_case = self.readings[case]
        ratios = [
            mine[metric] / other[metric]
            for mine, other in zip(
                of_case[subject], of_case.get(YARDSTICK, []), strict=False
            )
            if metric in mine and other.get(metric, 0) > 0
        ]
        return Summary(
            median=median(values),
            spread=spread(values),
            ratio=median(ratios) if ratios else None,
        )

    def write(self, folder: Path) -> Path:
        """Write the run to a file in folder, named for its start; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.started.replace(':', '-')}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return path


def spread(values: list[float]) -> float | None:
    """Return half of largest less smallest, as a share of the median."""
    middle = median(values)
    if len(values) < 2 or middle == 0:
        return None
    return (max(values) - min(values)) / 2 / abs(middle)


def read(path: Path) -> Run:
    """Read a run that `Run.write` wrote. Raises ValueError for other files."""
    try:
        return Run(**json.loads(path.read_text()))
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a run's results: {error}") from error


def previous(run: Run, folder: Path = FOLDER) -> Run | None:
    """Return the newest earlier run with one of its cases, or None."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        other = read(path)
        if other.started < run.started and not set(run.cases).isdisjoint(other.cases):
            return other
    return None
