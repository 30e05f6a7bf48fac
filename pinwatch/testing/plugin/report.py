"""The result of a whole run, and the files it is written to."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pinwatch import __version__
from pinwatch.reports.documents import write_json
from pinwatch.reports.result import DOCUMENT_VERSION, Result
from pinwatch.reports.sarif import sarif
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.plugin.baseline import Baseline, Entry
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Outcome, Record, outcomes


class Report:
    """The records of a run.

    ``tests`` and ``fixtures`` are ids. ``asked`` is true if a test used a proxy;
    ``clients`` and ``connections`` are the peak numbers of client and database
    connections, added over all processes.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.tests: set[str] = set()
        self.fixtures: set[str] = set()
        self.asked = False
        self.clients = 0
        self.connections = 0

    def count(self, asked: bool, clients: int, connections: int) -> None:
        """Add the counts of one process."""
        self.asked |= asked
        self.clients += clients
        self.connections += connections

    @property
    def ratio(self) -> float | None:
        """Peak client connections divided by peak database connections."""
        return self.clients / self.connections if self.connections else None

    def results(self) -> list[Result]:
        """Return the records as other programs read them."""
        return [record.result() for record in self.records]

    @property
    def pins(self) -> list[Record]:
        return [one for one in self.records if isinstance(one.found, Pin)]

    @property
    def leaks(self) -> list[Record]:
        return [one for one in self.records if isinstance(one.found, Leak)]

    def gone(self, baseline: Baseline) -> list[Entry]:
        """Return the baseline's entries of what ran that were not found again."""
        return baseline.gone(self.tests | self.fixtures, self._happened())

    def updated(self, baseline: Baseline) -> Baseline:
        return baseline.updated(self.tests | self.fixtures, self._happened())

    def _happened(self) -> Iterator[tuple[Found, str]]:
        for record in self.records:
            if record.outcome in (Outcome.BASELINE, Outcome.FAILED):
                yield record.found, record.test

    def to_json(self, gone: list[Entry]) -> dict[str, Any]:
        return {
            "version": DOCUMENT_VERSION,
            "pinwatch": __version__,
            "tests": len(self.tests),
            "outcomes": outcomes(self.pins),
            "leak_outcomes": outcomes(self.leaks),
            "client_connections": self.clients,
            "database_connections": self.connections,
            "multiplexing_ratio": self.ratio,
            "pins": [record.to_json() for record in self.pins],
            "leaks": [record.to_json() for record in self.leaks],
            "gone": [asdict(entry) for entry in gone],
        }


def write(report: Report, options: Options, baseline: Baseline) -> None:
    """Write the files that the options name; raises SettingError."""
    if options.json is not None:
        write_json(options.json, report.to_json(report.gone(baseline)))
    if options.sarif is not None:
        write_json(options.sarif, sarif(report.results()))
    if options.update_baseline and options.baseline is not None:
        report.updated(baseline).write(options.baseline)
