"""The HTML of pinwatch report is for everybody, too, and needs no other file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from pinwatch.cli.report_page import html
from pinwatch.cli.report_text import Found
from pinwatch.production.formats import read_file
from pinwatch.production.ranking import Ranking
from tests.page.test_looks import DESK, PHONE, SCHEMES, keep, violations
from tests.production.logs import LOG, later, text, write

DIGESTS: Final = {
    "set search_path to $1,$2": (4, 25),
    "select pg_advisory_lock($1)": (50, 30),
    "create temp table import (id int, total int)": (240, 60),
}
"""Minutes between the pins by a digest, and minutes that each lasts."""
SCRIPT: Final = '</pre><script>alert(1)</script> "&'


def document(folder: Path, lines: Iterable[str], *problems: str) -> str:
    ranking = Ranking()
    ranking.add_all(read_file(write(folder, "log", text([*lines]))))
    return html(Found(ranking, ranking.rows(), ranking.suspects(), problems))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_it_is_for_everybody(
    browser: Browser, tmp_path: Path, scheme: str, viewport: dict[str, int]
) -> None:
    hours = [line for n in range(5) for line in later(LOG, hours=n)]
    chosen = {"viewport": viewport, "color_scheme": scheme}
    with browser.new_context(**chosen, offline=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_content(document(tmp_path, hours, "a: b"))
        expect(page.get_by_role("img")).to_be_visible()
        assert page.locator("rect").count() == 10
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate(
            "innerWidth"
        )
        assert violations(page) == []


def day() -> Iterator[str]:
    """Yield the lines of a day in which sessions pin by DIGESTS."""
    for digest, (every, lasting) in DIGESTS.items():
        for minute in range(0, 1_440, every):
            connected, pinned, _, _, closed, _ = (
                line.replace("set search_path to $1", digest)
                .replace("Connection=1]", f"Connection={every}{minute}]")
                .replace("10.0.0.7", f"10.0.0.{minute % 3}")
                for line in LOG
            )
            yield from later([connected, pinned], minutes=minute)
            yield from later([closed], minutes=minute + lasting)


def test_a_screenshot(browser: Browser, tmp_path: Path) -> None:
    with browser.new_context(color_scheme="light") as context:
        page = context.new_page()
        page.set_viewport_size({"width": 960, "height": 900})
        page.set_content(document(tmp_path, sorted(day())))
        expect(page.locator("section pre")).to_have_count(len(DIGESTS))
        keep(page, "report.png", tmp_path)


def test_texts_of_a_log_are_no_markup(browser: Browser, tmp_path: Path) -> None:
    line = LOG[1].replace("set search_path to $1", f"set a to {SCRIPT}")
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        page.set_content(document(tmp_path, [line]))
        assert page.locator("script").count() == 0
        expect(page.locator("pre")).to_contain_text("</pre><script>")
