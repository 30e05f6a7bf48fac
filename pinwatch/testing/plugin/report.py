"""What a whole run found, and the files that it is written to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pinwatch import __version__
from pinwatch.testing.plugin.baseline import Baseline, Entry
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Outcome, Record
from pinwatch.testing.plugin.sarif import sarif
from pinwatch.testing.recorder import Pin

VERSION: Final = 1


class Report:
    """asked is whether a test wanted a proxy; clients and connections are how many
    there were at a time, at most.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.tests: set[str] = set()
        self.asked = False
        self.clients = 0
        self.connections = 0

    def count(self, asked: bool, clients: int, connections: int) -> None:
        """Of one more process."""
        self.asked |= asked
        self.clients += clients
        self.connections += connections

    @property
    def ratio(self) -> float | None:
        """Client connections over database connections."""
        return self.clients / self.connections if self.connections else None

    def outcomes(self) -> dict[Outcome, int]:
        return {
            outcome: sum(record.outcome is outcome for record in self.records)
            for outcome in Outcome
        }

    def gone(self, baseline: Baseline) -> list[Entry]:
        """What the baseline knows of tests that ran, and that does not occur."""
        return baseline.gone(self.tests, self._happened())

    def updated(self, baseline: Baseline) -> Baseline:
        return baseline.updated(self.tests, self._happened())

    def _happened(self) -> Iterator[tuple[Pin, str]]:
        for record in self.records:
            if record.outcome in (Outcome.BASELINE, Outcome.FAILED):
                yield record.pin, record.test

    def to_json(self, gone: list[Entry]) -> dict[str, Any]:
        return {
            "version": VERSION,
            "pinwatch": __version__,
            "tests": len(self.tests),
            "outcomes": {str(name): count for name, count in self.outcomes().items()},
            "client_connections": self.clients,
            "database_connections": self.connections,
            "multiplexing_ratio": self.ratio,
            "pins": [record.to_json() for record in self.records],
            "gone": [entry._asdict() for entry in gone],
        }


def write(report: Report, options: Options, baseline: Baseline) -> None:
    """The files that were asked for."""
    if options.json is not None:
        _write(options.json, report.to_json(report.gone(baseline)))
    if options.sarif is not None:
        _write(options.sarif, sarif(report.records))
    if options.update_baseline and options.baseline is not None:
        report.updated(baseline).write(options.baseline)


def _write(file: Path, told: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
