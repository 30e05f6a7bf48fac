"""The page is for everybody, in light and dark, on a desk and on a phone."""

import os
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.leaked import LEAK
from tests.page.conftest import Open, Seen
from tests.page.scenes import TENANT, Hour

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parents[1] / "docs"
PHONE: Final = {"width": 390, "height": 844}
DESK: Final = {"width": 1_280, "height": 900}
PART_OF_DOCS: Final = "header, section:nth-of-type(-n + 3)"  # the others are alike
SCHEMES: Final = ("light", "dark")


def violations(page: Page, part: str = "html") -> list[tuple[str, Any]]:
    page.add_script_tag(path=HERE / "axe" / "axe.min.js")
    found: dict[str, Any] = page.evaluate(
        "part => axe.run(part, { resultTypes: ['violations'] })", part
    )
    return [(one["id"], one["nodes"]) for one in found["violations"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_for_everybody(
    seen: Seen, open_page: Open, scheme: str, viewport: dict[str, int]
) -> None:
    faults = seen.clients.proxy.proxy.faults
    still: dict[str, Any] = {"reduced_motion": "reduce", "bypass_csp": True}
    Hour(seen).play()
    for sql in ("SET LOCAL work_mem = '64MB'", "LISTEN jobs"):
        seen(application_name="orders").query(f"BEGIN; {sql}")
    leak = replace(LEAK, value="x" * 2_048, path="y" * 2_048, reset=True)
    seen.observe(LEAK, replace(leak, at=datetime.now(UTC)))
    seen.in_the_loop(lambda: faults.add("pause", "drill"))
    page = open_page(viewport=viewport, color_scheme=scheme, **still)
    page.locator("#leak-groups > li").first.wait_for()
    for summary in page.locator("details:visible summary").all()[:3]:
        summary.click()
    page.locator(".singles li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert violations(page) == []
    page.locator("#cells a").first.click()
    page.get_by_role("dialog").wait_for()
    assert violations(page, "dialog") == []
    seen.in_the_loop(lambda: faults.remove("drill"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_description_of_the_api(open_page: Open, scheme: str) -> None:
    page = open_page("/api/docs", viewport=PHONE, color_scheme=scheme, bypass_csp=True)
    expect(page.get_by_role("heading", name="GET /api/history")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 250, 248)", "dark": "rgb(20, 23, 26)"}[scheme]
    assert violations(page, PART_OF_DOCS) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_of_a_rule(open_page: Open, scheme: str) -> None:
    page = open_page("/rules/set", viewport=PHONE, color_scheme=scheme, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 250, 248)", "dark": "rgb(20, 23, 26)"}[scheme]
    assert violations(page) == []


def test_a_screenshot(seen: Seen, open_page: Open, tmp_path: Path) -> None:
    with ExitStack() as stack:
        hour = Hour(seen)
        hour.play()
        for number in range(7):
            client = stack.enter_context(seen(application_name="orders"))
            client.query("SELECT 1" if number < 4 else "BEGIN")
        for number in range(2):
            client = stack.enter_context(seen(application_name="orders"))
            client.query(TENANT.format(number))
            seen.figures.pool.pinned = {"set_config": number + 1}
            hour.live(45)
        page = open_page(viewport=DESK, color_scheme="light", timezone_id="UTC")
        expect(page.locator("#groups > li")).to_have_count(3)
        page.get_by_role("link", name="Show the statement").wait_for()
        keep(page, "page.png", tmp_path)


def keep(page: Page, name: str, elsewhere: Path) -> None:
    """Write to docs only on request, so that an ordinary run changes no file."""
    wanted = os.environ.get("PINWATCH_SCREENSHOTS")
    file = (DOCS if wanted else elsewhere) / name
    page.screenshot(path=file, full_page=True)
    assert file.stat().st_size > 10_000
