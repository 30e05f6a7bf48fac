"""A run's readings: kept, summed up, written as JSON beside the last run's."""

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
"""How an excuse begins that is nobody's limit but a fault."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of one subject in one case, over the rounds.

    ``ratio`` is None where there is nothing to compare with, ``spread`` where there
    was one round.
    """

    median: float
    spread: float | None
    ratio: float | None


@dataclass(slots=True)
class Run:
    """All of one run of the command.

    ``readings`` go from case to subject to one reading a round; ``absent`` goes from
    case to subject to why there are none, or one too few.
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
        """Keep one round's reading; an empty one for a round that failed."""
        self.readings.setdefault(case, {}).setdefault(subject, []).append(reading)

    def excuse(self, case: str, subject: str, reason: str) -> None:
        """Keep why a subject has no reading, or one too few."""
        self.absent.setdefault(case, {})[subject] = reason

    def rows(self) -> Iterator[tuple[str, str]]:
        """Case and subject of every reading and every excuse, in the run's order."""
        for case in self.cases:
            for subject in self.versions:
                if (
                    subject in self.readings.get(case, {})
                    or subject in self.absent.get(case, {})
                ):  # fmt: skip
                    yield case, subject

    def values(self, case: str, subject: str, metric: str) -> list[float]:
        """One metric's value in each round that has it."""
        readings = self.readings.get(case, {}).get(subject, [])
        return [reading[metric] for reading in readings if metric in reading]

    def summary(self, case: str, subject: str, metric: str) -> Summary | None:
        """That metric over the rounds, or None where it was never read."""
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
        """Write the run into folder, named for its start; the file's path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.started.replace(':', '-')}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return path


def spread(values: list[float]) -> float | None:
    """Half of largest less smallest, as a share of the median."""
    middle = median(values)
    if len(values) < 2 or middle == 0:
        return None
    return (max(values) - min(values)) / 2 / abs(middle)


def read(path: Path) -> Run:
    """A run written by `Run.write`. Raises ValueError for anything else."""
    try:
        return Run(**json.loads(path.read_text()))
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a run's results: {error}") from error


def previous(run: Run, folder: Path = FOLDER) -> Run | None:
    """The newest run before this one that measured one of its cases, or None."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        other = read(path)
        if other.started < run.started and not set(run.cases).isdisjoint(other.cases):
            return other
    return None
