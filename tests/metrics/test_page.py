"""docs/metrics.md has what a scrape has, line by line, and nothing else."""

import re
from pathlib import Path
from typing import Final

from pinwatch.metrics import cloudwatch, own
from pinwatch.metrics.family import Metric
from tests.metrics.conftest import Measure
from tests.metrics.scrape import families, fetch

PAGE: Final = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()

AMAZON: Final = [
    "AvailabilityPercentage",
    "ClientConnections",
    "ClientConnectionsClosed",
    "ClientConnectionsNoTLS",
    "ClientConnectionsReceived",
    "ClientConnectionsSetupFailedAuth",
    "ClientConnectionsSetupSucceeded",
    "ClientConnectionsTLS",
    "DatabaseConnectionRequests",
    "DatabaseConnectionRequestsWithTLS",
    "DatabaseConnections",
    "DatabaseConnectionsBorrowLatency",
    "DatabaseConnectionsCurrentlyBorrowed",
    "DatabaseConnectionsCurrentlyInTransaction",
    "DatabaseConnectionsCurrentlySessionPinned",
    "DatabaseConnectionsSetupFailed",
    "DatabaseConnectionsSetupSucceeded",
    "DatabaseConnectionsWithTLS",
    "MaxDatabaseConnectionsAllowed",
    "QueryDatabaseResponseLatency",
    "QueryRequests",
    "QueryRequestsNoTLS",
    "QueryRequestsTLS",
    "QueryResponseLatency",
]
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.monitoring.html"""


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's table."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*`pinwatch_.*) \|$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def row(metric: Metric) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return [f"`{metric.name}`", labels, metric.meaning, metric.unit]


def test_cloudwatch_s() -> None:
    assert rows("CloudWatch's") == [
        [metric.cloudwatch, *row(metric)] for metric in cloudwatch.METRICS
    ]


def test_all_of_cloudwatch_s() -> None:
    assert [cells[0] for cells in rows("CloudWatch's")] == AMAZON


def test_pinwatch_s_own() -> None:
    assert rows("pinwatch's own") == [row(metric) for metric in own.METRICS]


def test_what_is_scraped(measure: Measure) -> None:
    """Names, labels and meanings, as a scraper finds them."""
    proxy = measure()
    proxy().query("LISTEN jobs")
    scraped = {}
    for family in families(fetch(proxy.url, "application/openmetrics-text")[1]):
        name = family.name + "_total" * (family.type == "counter")
        (labels,) = {frozenset(s.labels) - {"le"} for s in family.samples}
        if name.startswith("pinwatch_"):
            scraped[f"`{name}`"] = labels, family.documentation
    published = {
        name: (frozenset(re.findall(r"`(\w+)`", labels)), meaning)
        for name, labels, meaning, _ in (
            *(cells[1:] for cells in rows("CloudWatch's")),
            *rows("pinwatch's own"),
        )
    }
    assert scraped == published


def test_metrics_of_the_process(measure: Measure) -> None:
    """The page names those of prometheus_client that operators use most."""
    found = families(fetch(measure().url, "application/openmetrics-text")[1])
    scraped = {family.name for family in found}
    spoken = set(re.findall(r"`((?:process|python)_\w+)`", PAGE))
    assert {name.removesuffix("_total") for name in spoken} <= scraped
    assert {"process_cpu_seconds_total", "python_info"} <= spoken


def test_names_that_it_speaks_of() -> None:
    names = {metric.name for metric in (*cloudwatch.METRICS, *own.METRICS)}
    spoken = set(re.findall(r"\bpinwatch_\w+", PAGE)) - {"pinwatch_"}
    assert spoken == names
