"""The live page in Debian's Chromium."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from pinwatch import events
from pinwatch.text import number_of
from tests.page.conftest import Open, Seen
from tests.pinned import PIN
from tests.site import ask

AT_ONCE: Final = 1_000  # milliseconds
PATIENCE: Final = 20_000  # milliseconds; a browser connects again after 3,000
GROUPS: Final = 50  # shown before more are wished for
SINGLES: Final = 20  # of one group, likewise


def headlines(page: Page) -> Locator:
    return page.locator("#headlines .text")


def groups(page: Page) -> Locator:
    return page.locator("#groups > li")


def pinned(number: int, **changed: object) -> events.SessionPinned:
    """Return a pin of another client, a second after the one before."""
    at = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=number)
    fields = {"at": at, "client": number, "connection": number, "user": "postgres"}
    return replace(PIN, **(fields | changed))  # type: ignore[arg-type]


def test_a_pin_appears_within_a_second(seen: Seen, open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_text("No session has pinned yet")).to_be_visible()
    expect(headlines(page)).to_have_text(["Nothing is pinned."])
    group = groups(page)
    with seen(application_name="orders") as client:
        client.query("SELECT 1; SET search_path TO shop")
        group.wait_for(timeout=AT_ONCE)
        expect(group.locator(".rule")).to_have_text("set")
        expect(group.locator(".rule")).to_have_attribute("href", "/rules/set")
        expect(group.locator("mark")).to_have_text("SET")
        expect(group.locator(".running")).to_have_text("1 connection pinned now")
        expect(page.locator("#cells li[data-state=pinned]")).to_have_text("orders")
        expect(headlines(page)).to_have_text(
            [
                "1 of 1 connection has been pinned for less than a second, by set of "
                "the application orders."
            ]
        )
    expect(page.locator("#cells li")).to_have_text("idle")
    expect(headlines(page)).to_have_text(["Nothing is pinned."])
    expect(group.locator(".running")).to_be_empty()
    expect(group.locator(".facts")).to_contain_text("pinned for")


def test_the_fix_is_at_the_top_and_leads_to_the_statement(
    seen: Seen, open_page: Open
) -> None:
    for number in range(2):
        seen().query(f"SELECT set_config('a.b', '{number}', false) /*file='db.py:3'*/")
    page = open_page()
    expect(headlines(page)).to_contain_text("all by set_config at db.py:3.")
    advice = groups(page).locator(".advice p").text_content()
    expect(page.locator("#headlines .fix p")).to_have_text(advice or "")
    about = page.locator("#headlines").get_by_text("All ways out of set_config")
    expect(about).to_have_attribute("href", "/rules/set_config")
    page.get_by_role("link", name="Show the statement").click()
    assert page.url.endswith(f"#{groups(page).get_attribute('id')}")


def test_pins_of_one_statement_unfold(seen: Seen, open_page: Open) -> None:
    sql = "SET work_mem = 1 /*source_location='app/db.py:30',job='nightly'*/"
    for name in ("orders", "mails"):
        seen(application_name=name).query(sql)
    page = open_page()
    group = groups(page)
    expect(group.locator(".count")).to_have_text("2 pins")
    expect(group.locator(".tags")).to_have_text("app/db.py:30job: nightly")
    group.get_by_text("Show the 2 pins").click()
    names = group.locator(".singles .who")
    expect(names).to_contain_text(["mails", "orders"])
    seen(application_name="reports").query(sql.replace("1", "2", 1))
    expect(names).to_contain_text(["reports", "mails", "orders"])
    expect(group.locator(".singles code")).to_have_count(2)  # the older text


def test_the_latest_group_is_first(seen: Seen, open_page: Open) -> None:
    for number, rule in enumerate(("set", "listen", "set", "load")):
        seen.observe(pinned(number, rule=rule))
    page = open_page()
    expect(groups(page).locator(".rule")).to_have_text(["load", "set", "listen"])
    seen.observe(pinned(9, rule="listen"))
    expect(groups(page).locator(".rule")).to_have_text(["listen", "load", "set"])


def test_what_would_have_pinned_says_so(seen: Seen, open_page: Open) -> None:
    page = open_page()
    seen.observe(pinned(1, rule="set"), pinned(1, rule="listen", first=False))
    first, later = groups(page).nth(1), groups(page).nth(0)
    expect(first.locator(".rule")).to_have_text("set")
    expect(first.locator(".later")).to_be_hidden()
    expect(later.locator(".rule")).to_have_text("listen")
    expect(later.locator(".later").first).to_have_text("later")
    expect(later.locator(".explained")).to_contain_text("neither logs nor counts")


def test_filters(seen: Seen, open_page: Open) -> None:
    page = open_page()
    for name, sql in ("orders", "SET work_mem = 1"), ("mails", "LISTEN jobs"):
        seen(application_name=name).query(sql)
    seen(application_name="orders").query("LISTEN jobs")
    expect(groups(page)).to_have_count(2)
    page.locator("select[name=rule]").select_option("listen")
    expect(groups(page)).to_have_count(1)
    expect(groups(page).locator(".count")).to_have_text("2 pins")
    page.get_by_label("Application").fill("ord")
    expect(groups(page).locator(".count")).to_have_text("1 pin")
    groups(page).get_by_text("Show the pin").click()
    expect(groups(page).locator(".who")).to_contain_text(["orders"])
    page.get_by_label("User").fill("ann")
    expect(groups(page)).to_have_count(0)
    expect(page.get_by_text("No pin matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(groups(page)).to_have_count(2)


def test_the_fix_is_copied(seen: Seen, open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    seen().query("LISTEN jobs")
    button = groups(page).get_by_role("button", name="Copy the fix")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    advice = groups(page).locator(".advice p").text_content()
    assert page.evaluate("navigator.clipboard.readText()") == advice


def test_sql_is_text(seen: Seen, open_page: Open) -> None:
    page = open_page()
    evil = "<script>window.bad=1</script><img src=x onerror='window.bad=1'>&amp;"
    literal = evil.replace("'", "''")
    sql = f"SET search_path TO '{literal}' /*file='<b>x</b>'*/"
    seen(application_name="<b>bold</b>").query(sql)
    expect(page.locator(".sql code")).to_have_text(sql)
    expect(page.locator(".source")).to_have_text("<b>x</b>")
    page.locator(".unfold summary").click()
    expect(page.locator(".who")).to_contain_text("<b>bold</b>")
    assert page.evaluate("window.bad") is None
    assert page.locator("main img, main script, main b b, #pins b").count() == 0


def test_a_thousand_pins(seen: Seen, open_page: Open) -> None:
    """The page draws few at a time, however many there are."""
    page = open_page()
    page.evaluate(
        """() => {
            const list = document.querySelector("#groups");
            window.most = 0;
            const note = () => {
                window.most = Math.max(window.most, list.children.length);
            };
            new MutationObserver(note).observe(list, { childList: true });
        }"""
    )
    seen.observe(*(pinned(n, digest=f"set {chr(97 + n % 26)}{n}") for n in range(80)))
    seen.observe(*(pinned(n, rule="listen", digest="listen") for n in range(80, 1_000)))
    first = groups(page).first
    expect(first.locator(".count")).to_have_text(number_of(920, "pin"))
    expect(groups(page)).to_have_count(GROUPS)
    assert page.evaluate("window.most") == GROUPS
    first.get_by_text("Show the 920 pins").click()
    expect(first.locator(".singles li")).to_have_count(SINGLES)
    first.get_by_role("button", name="Show more").click()
    expect(first.locator(".singles li")).to_have_count(2 * SINGLES)
    page.locator("#more").click()
    expect(groups(page)).to_have_count(81)
    expect(page.locator("#more")).to_be_hidden()


def test_the_icon_is_at_the_default_path_of_browsers(seen: Seen) -> None:
    """Pages without a link to the icon need it there: /api/docs, /metrics."""
    answer = ask(f"{seen.url}/favicon.ico")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")


def test_another_proxy_in_its_place(seen: Seen, open_page: Open) -> None:
    """It numbers its pins from 1 again, and the stream is another one."""
    seen.observe(pinned(1, rule="load"))
    page = open_page()
    groups(page).locator(".unfold summary").click()
    expect(page.locator(".singles li")).to_have_count(1)
    history, readers = seen.feed.history, seen.feed.readers

    def start_anew() -> None:
        history._count = 0
        history._lasting.clear()
        history.digests._known.clear()
        for reader in readers:
            reader.end()

    seen.in_the_loop(start_anew)
    seen.observe(pinned(2))
    expect(groups(page).locator(".rule")).to_have_text(["set"], timeout=PATIENCE)


def test_ids_link_to_the_session(seen: Seen, open_page: Open) -> None:
    client = seen(application_name="orders")
    client.query("SET search_path TO shop")
    page = open_page()
    groups(page).locator(".unfold summary").click()
    link = page.locator(".singles a")
    number = link.text_content()
    link.click()
    session = page.get_by_role("dialog", name=f"Client {number}")
    expect(session).to_contain_text("idle, pinned for")
    expect(session).to_contain_text("search_path = shop")
    expect(session.locator(".rule")).to_have_text(["set"])
    page.keyboard.press("Escape")
    expect(session).to_be_hidden()
    assert "#" not in page.url
    page.locator("#cells a").click()
    expect(session).to_be_visible()
    client.leave()
    expect(page.locator("#cells li")).to_have_text("idle")
    linked = open_page(f"/#client={number}")
    expect(linked.get_by_role("dialog")).to_contain_text("This session has ended.")
    expect(linked.get_by_role("dialog").locator(".rule")).to_have_text(["set"])


def test_times_are_local_or_in_utc(seen: Seen, open_page: Open) -> None:
    at = datetime.now(UTC)  # with another time, the page may print a date, too
    local = at.astimezone(ZoneInfo("Asia/Kolkata")).strftime("%H:%M:%S")
    seen.observe(pinned(1, at=at))
    page = open_page(timezone_id="Asia/Kolkata")
    shown = groups(page).locator("time").first
    expect(shown).to_have_text(local)
    page.get_by_label("UTC").check()
    expect(shown).to_have_text(f"{at:%H:%M:%S}Z")
    page.reload()
    expect(shown).to_have_text(f"{at:%H:%M:%S}Z")
    page.get_by_label("Local").check()
    expect(shown).to_have_text(local)


def test_the_day_is_shown_if_it_is_another_one(seen: Seen, open_page: Open) -> None:
    seen.observe(pinned(1, at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    page = open_page(timezone_id="UTC")
    expect(groups(page).locator("time").first).to_have_text("2 Jan 03:04:05")


@pytest.mark.parametrize("width", [390, 1_280])
def test_it_ends_with_the_last_pin(seen: Seen, open_page: Open, width: int) -> None:
    """There is no empty screen, no box that scrolls by itself, and no wrapped time."""
    seen.observe(*(pinned(n, digest=f"set {n * 'a'}", sql="SET a") for n in range(60)))
    page = open_page(viewport={"width": width, "height": 800}, color_scheme="dark")
    expect(groups(page)).to_have_count(GROUPS)
    groups(page).first.locator(".unfold summary").click()
    expect(page.locator(".singles li")).to_have_count(1)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    below = page.evaluate(
        """() => document.documentElement.scrollHeight - scrollY
            - document.querySelector("#more").getBoundingClientRect().bottom"""
    )
    assert 0 <= below < 80
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    scrolling = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) =>
            /auto|scroll/.test(getComputedStyle(one).overflow)
            && one.matches(":not(dialog)")).map((one) => one.outerHTML)"""
    )
    assert scrolling == []
    wrapped = page.evaluate(
        """() => [...document.querySelectorAll("time")]
            .filter((one) => one.getClientRects().length > 1).length"""
    )
    assert wrapped == 0


def test_by_keyboard(seen: Seen, open_page: Open) -> None:
    page = open_page()
    seen().query("LISTEN jobs")
    groups(page).wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the pins")).to_be_focused()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    parts = ["listen", "Copy the fix", "All ways out of listen", "Show the pin"]
    assert reached[-4:] == parts
    page.keyboard.press("Enter")
    expect(page.locator(".singles li")).to_have_count(1)
