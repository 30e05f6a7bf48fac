"""The live page in Debian's Chromium."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Open
from tests.site import ask
from tests.web.conftest import Watched

AT_ONCE = 1_000  # milliseconds
PATIENCE = 20_000  # milliseconds; a browser connects again after 3,000
HERE = Path(__file__).parent
SCREENSHOT = HERE.parents[1] / "docs" / "page.png"
PHONE = {"width": 360, "height": 740}
DRAWN = 100  # pins, before more are wished for


def test_a_pin_appears_within_a_second(seen: Watched, open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_text("No session has pinned yet")).to_be_visible()
    expect(page.get_by_role("heading", name="By statement")).to_have_count(0)
    pin = page.locator("#list li")
    with seen(application_name="orders") as client:
        client.query("SELECT 1; SET search_path TO shop")
        pin.wait_for(timeout=AT_ONCE)
        expect(pin.locator(".rule")).to_have_text("set")
        expect(pin.locator(".who")).to_contain_text("orders")
        expect(pin.locator("mark")).to_have_text("SET")
        expect(pin.locator(".when")).to_contain_text("pinned for")
        expect(page.locator("#cells li[data-state=pinned]")).to_have_text("orders")
    expect(page.locator("#cells li")).to_have_text("idle")
    expect(pin.locator(".when")).to_contain_text("was pinned for")
    expect(page.locator("#digest-rows code")).to_contain_text("set search_path to $2")


def test_what_would_have_pinned_says_so(seen: Watched, open_page: Open) -> None:
    page = open_page()
    client = seen()
    for sql in ("SET search_path TO shop", "LISTEN jobs"):
        client.query(sql)
    later, first = page.locator("#list li").nth(0), page.locator("#list li").nth(1)
    expect(first.locator(".rule")).to_have_text("set")
    expect(first.locator(".later")).to_be_hidden()
    expect(later.locator(".rule")).to_have_text("listen")
    expect(later.locator(".later")).to_have_text("later")
    expect(page.locator("#digest-rows")).to_contain_text("listen, later")


def test_filters(seen: Watched, open_page: Open) -> None:
    page = open_page()
    for name, sql in ("orders", "SET work_mem = 1"), ("mails", "LISTEN jobs"):
        seen(application_name=name).query(sql)
    pins = page.locator("#list li")
    expect(pins).to_have_count(2)
    page.get_by_label("Rule").select_option("listen")
    expect(pins).to_have_count(1)
    expect(pins.locator(".who")).to_contain_text("mails")
    page.get_by_label("Application").fill("ord")
    expect(pins).to_have_count(0)
    expect(page.get_by_text("No pin matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(pins).to_have_count(2)


def test_the_fix_is_copied(seen: Watched, open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    seen().query("LISTEN jobs")
    advice = page.locator(".advice p").text_content()
    page.get_by_role("button", name="Copy the fix").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == advice


def test_sql_is_text(seen: Watched, open_page: Open) -> None:
    page = open_page()
    evil = "<script>window.bad=1</script><img src=x onerror='window.bad=1'>&amp;"
    literal = evil.replace("'", "''")
    seen(application_name="<b>bold</b>").query(f"SET search_path TO '{literal}'")
    shown = page.locator(".sql code")
    expect(shown).to_have_text(f"SET search_path TO '{literal}'")
    expect(page.locator(".who")).to_contain_text("<b>bold</b>")
    assert page.evaluate("window.bad") is None
    assert page.locator("main img, main script, main b").count() == 0


def test_a_thousand_pins(seen: Watched, open_page: Open) -> None:
    """The page draws few at a time, however many there are."""
    page = open_page()
    page.evaluate(
        """() => {
            const list = document.querySelector("#list");
            window.most = 0;
            const note = () => {
                window.most = Math.max(window.most, list.children.length);
            };
            new MutationObserver(note).observe(list, { childList: true });
        }"""
    )
    with seen(application_name="worker") as client:
        client.query("LOAD 'auto_explain'")
    for number in range(1_000):
        with seen(application_name=f"job {number}") as client:
            client.query("LISTEN jobs")
    pins = page.locator("#list li")
    expect(page.locator("#digest-rows")).to_contain_text("1000")
    headings = page.get_by_role("heading", level=2).all_text_contents()
    assert headings.index("By statement") < headings.index("Pins")
    expect(pins.first.locator(".who")).to_contain_text("job 999")
    assert page.evaluate("window.most") == pins.count() == DRAWN
    page.get_by_role("button", name="Show more").click()
    expect(pins).to_have_count(2 * DRAWN)
    page.get_by_label("Application").fill("job 99")
    expect(pins).to_have_count(11)
    page.get_by_label("Application").fill("WORK")
    expect(pins.locator(".who")).to_contain_text(["worker"])
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Rule").select_option("load")
    expect(pins.locator(".who")).to_contain_text(["worker"])
    with seen(application_name="loader") as client:
        client.query("LISTEN jobs")
        client.query("LOAD 'auto_explain'")
    with seen(application_name="loader") as client:
        client.query("LOAD 'auto_explain'")
    expect(pins.locator(".who")).to_contain_text(["loader", "worker"])


def test_the_icon_is_at_the_default_path_of_browsers(seen: Watched) -> None:
    """Pages without a link to the icon need it there: /api/docs, /metrics."""
    answer = ask(f"{seen.url}/favicon.ico")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")


def test_it_comes_back_by_itself(seen: Watched, open_page: Open) -> None:
    """Pins from before the page was opened are there, too."""
    seen().query("LISTEN jobs")
    page = open_page()
    expect(page.locator("#list li")).to_have_count(1)


def test_another_proxy_in_its_place(seen: Watched, open_page: Open) -> None:
    """It numbers its pins from 1 again."""
    page = open_page()
    seen(application_name="before").query("LISTEN jobs")
    expect(page.locator("#list .who")).to_contain_text(["before"])
    history, readers = seen.feed.history, seen.feed.readers

    def start_anew() -> None:
        history._count = 0
        history._lasting.clear()
        for reader in readers:
            reader.end()

    seen.in_the_loop(start_anew)
    seen(application_name="after").query("LISTEN jobs")
    expect(page.locator("#list .who")).to_contain_text(["after"], timeout=PATIENCE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 800}])
def test_for_everybody(
    seen: Watched, open_page: Open, scheme: str, viewport: dict[str, int]
) -> None:
    still = {"reduced_motion": "reduce", "bypass_csp": True}
    page = open_page(viewport=viewport, color_scheme=scheme, **still)
    seen().query("SET LOCAL work_mem = '64MB'")
    page.locator("#list li").wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= viewport["width"]
    page.add_script_tag(path=HERE / "axe" / "axe.min.js")
    found: dict[str, Any] = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"]) for one in found["violations"]] == []


def test_by_keyboard(seen: Watched, open_page: Open) -> None:
    page = open_page()
    seen().query("LISTEN jobs")
    page.locator("#list li").wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the pins")).to_be_focused()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert "Copy the fix" in reached


def test_a_screenshot(seen: Watched, open_page: Open, tmp_path: Path) -> None:
    page = open_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    with ExitStack() as stack:
        busy = [stack.enter_context(seen(application_name="orders")) for _ in range(6)]
        for client in busy:
            client.query("SELECT 1")
        for client in busy[:3]:
            client.query("BEGIN")
        for sql in ("SET search_path TO shop", "SELECT nextval('a')", "LISTEN jobs"):
            stack.enter_context(seen(application_name="mails")).query(sql)
        seen(application_name="reports").query(
            "BEGIN; SET LOCAL work_mem = '64MB'; SELECT count(*) FROM pg_class"
        )
        expect(page.locator("#list li")).to_have_count(4)
        expect(page.locator("#digest-rows tr")).to_have_count(4)
        _keep(page, tmp_path)


def _keep(page: Page, elsewhere: Path) -> None:
    """Write to docs only on request, so that an ordinary run changes no file."""
    wanted = os.environ.get("PINWATCH_SCREENSHOTS")
    file = SCREENSHOT if wanted else elsewhere / "page.png"
    page.screenshot(path=file, full_page=True)
    assert file.stat().st_size > 10_000
