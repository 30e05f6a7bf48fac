"""The last hour on the page: charts, marks, and an outage before everything else."""

from typing import Final

from playwright.sync_api import Page, expect

from tests.page.conftest import Open, Seen
from tests.page.scenes import Hour

AGO: Final = 10 / 60  # of the hour, when the incident was


def values(page: Page, panel: str) -> str:
    shown = page.locator(".panel").filter(has_text=panel).locator(".legend")
    return " ".join((shown.text_content() or "").split())


def test_an_incident_of_ten_minutes_ago(seen: Seen, open_page: Open) -> None:
    """The page that opens afterwards has all of it."""
    Hour(seen).play()
    page = open_page()
    expect(page.locator("#headlines .text")).to_have_text(["Nothing is pinned."])
    expect(page.locator("#headlines .detail")).to_have_text(
        ["12 sessions pinned in the last hour."]
    )
    chart = page.get_by_role("img", name="Pinned connections")
    expect(chart).to_have_attribute(
        "aria-label",
        "Pinned connections: set_config 0, advisory_lock 0, listen 0, new pins 12",
    )
    expect(page.locator("#marks .text")).to_have_text(
        [
            "Failover: writer default is back, no writer for 65.0 s.",
            "The target default is UNAVAILABLE (UNREACHABLE): The connection was "
            "refused.",
        ]
    )
    expect(page.locator("#marks .when").last).to_contain_text(", 1 min 5 s")
    expect(page.locator("#groups .count")).to_have_text(["9 pins", "2 pins", "1 pin"])
    expect(page.locator("#groups .source").first).to_have_text("app/db.py:30")


def test_all_panels_show_the_moment_that_is_pointed_at(
    seen: Seen, open_page: Open
) -> None:
    Hour(seen).play()
    page = open_page()
    plot = page.locator(".u-over").last
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    assert values(page, "Statements a second") != "statements 0"
    page.mouse.move(box["x"] + box["width"] * (1 - AGO), box["y"] + box["height"] / 2)
    expect(page.locator("#moment")).to_contain_text("Values at ")
    expect(page.locator(".legend").first).to_contain_text("waiting 40")
    assert "set_config 9" in values(page, "Pinned connections")
    assert values(page, "Wait for a connection") == "p50 -p99 -"
    assert values(page, "Statements a second") == "statements 0"
    page.mouse.move(0, 0)
    expect(page.locator("#moment")).to_be_empty()


def test_it_goes_on(seen: Seen, open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_text("The first figures come")).to_be_visible()
    seen.figures.sessions = [object()] * 7
    seen.figures.live(3)
    chart = page.get_by_role("img", name="Clients and connections")
    expect(chart).to_have_attribute("aria-label", _named("clients 7"))
    seen.figures.sessions = [object()] * 8
    seen.figures.live(1)
    expect(chart).to_have_attribute("aria-label", _named("clients 8"))
    page.get_by_label("5 minutes").check()
    expect(chart).to_have_attribute("aria-label", _named("clients 8"))


def _named(clients: str) -> str:
    return f"Clients and connections: {clients}, connections 0, waiting 0"


def test_an_outage_comes_first(seen: Seen, open_page: Open) -> None:
    faults = seen.clients.proxy.proxy.faults
    seen().query("LISTEN jobs")
    page = open_page()
    health = page.locator("#targets .state")
    expect(health).to_have_text("AVAILABLE")
    expect(page.locator("#faults")).to_have_text("none")
    seen.in_the_loop(lambda: faults.add("pause", "drill", lasting=120.5))
    seen.figures.live(14)
    kinds = page.locator("#headlines li")
    expect(kinds).to_have_count(3)
    expect(kinds.nth(0)).to_contain_text("has been UNAVAILABLE (UNREACHABLE) for 14 s")
    expect(kinds.nth(1)).to_contain_text("The fault drill is active: pause")
    expect(kinds.nth(1).locator(".fix p")).to_have_text("pinwatch fault remove drill")
    expect(kinds.nth(2)).to_contain_text("1 of 1 connection has been pinned")
    expect(health).to_have_text("UNAVAILABLE")
    expect(page.locator("#targets")).to_contain_text("no borrow is served")
    expect(page.locator("#faults")).to_contain_text("drill: pause, no borrow is served")
    expect(page.locator("#marks .when").first).to_contain_text(", lasting")
    seen.in_the_loop(lambda: faults.remove("drill"))
    expect(kinds).to_have_count(1)
    expect(health).to_have_text("AVAILABLE")
    expect(page.locator("#marks .when").first).to_contain_text(", 14 s")


def test_the_proxy_and_its_endpoints(seen: Seen, open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#about")).to_contain_text("profile rds-2023-11, up for")
    address = str(seen.clients.proxy.proxy.address)
    expect(page.locator("#endpoints")).to_contain_text(f"default: {address}")
    expect(page.locator("#failovers")).to_have_text("none since the start")
