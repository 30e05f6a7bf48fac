"""docs/reports.md names every format, status and version."""

import re
from pathlib import Path

from pinwatch.cli.formats import FOUND, MISUSE, NOTHING, Format
from pinwatch.reports import baseline
from pinwatch.reports.result import DOCUMENT_VERSION
from pinwatch.testing.plugin import watchlist

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]


def test_every_format_is_there() -> None:
    assert [row[0] for row in rows("Formats")] == [f"`{one}`" for one in Format]


def test_every_status_is_there() -> None:
    statuses = [int(row[0]) for row in rows("Exit statuses")]
    assert statuses == [NOTHING, FOUND, MISUSE]


def test_the_versions_are_as_it_says() -> None:
    versions = {int(row[1]) for row in rows("What stays stable")}
    assert versions == {DOCUMENT_VERSION, baseline.VERSION, watchlist.VERSION}
    assert re.search("Within a version no key is removed", PAGE)
