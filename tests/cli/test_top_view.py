"""The keys of pinwatch top change its view; no terminal is needed."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from pinwatch.cli.top_keys import keys
from pinwatch.cli.top_view import ORDERS, View


def pin(id: int, seconds: float, **more: Any) -> dict[str, Any]:
    names = {"user": "app", "database": "shop", "application_name": "web"}
    described = {"id": id, "pinned_seconds": seconds, "first": True, "rule": "set"}
    return {**described, **names, "sql": "SET a = 1", "source": "", **more}


PINS: Final = [
    pin(1, 9.0, rule="listen", application_name="cron"),
    pin(2, 20.0, user="Owner"),
    pin(3, 30.0, first=False, sql="SET b = 1", source="app/db.py:3"),
]


def ids(pins: Sequence[dict[str, Any]]) -> list[int]:
    return [one["id"] for one in pins]


def after(*pressed: str) -> View:
    view = View()
    for key in pressed:
        view = view.pressed(key, view.pins(PINS))
    return view


def test_s_goes_through_the_orders() -> None:
    orders = [after(*"s" * count) for count in range(len(ORDERS) + 1)]
    assert [ids(view.pins(PINS)) for view in orders] == [
        [2, 1, 3],
        [3, 2, 1],
        [1, 2, 3],
        [1, 2, 3],
        [2, 1, 3],
    ]


@pytest.mark.parametrize(
    ("typed", "found"),
    [("listen", [1]), ("OWN", [2]), ("cron", [1]), ("b = ", [3]), ("db.py", [3])],
)
def test_the_filter_applies_while_it_is_typed(typed: str, found: list[int]) -> None:
    typing = after("f", *typed)
    assert ids(typing.pins(PINS)) == found
    assert ids(typing.pressed("enter", PINS).pins(PINS)) == found
    assert ids(typing.pressed("escape", PINS).pins(PINS)) == [2, 1, 3]


def test_the_filter_is_edited() -> None:
    view = after("f", *"webs", "backspace", "up", "\x01", "enter")
    assert (view.filter, view.edited) == ("web", None)
    assert view.pressed("f", PINS).edited == "web"
    assert view.pressed("escape", PINS).filter == ""


def test_keys_are_text_while_the_filter_is_typed() -> None:
    view = after("/", *"qpsh?")
    assert (view.edited, view.ended, view.paused, view.help) == (
        "qpsh?",
        False,
        False,
        False,
    )


def test_the_filter_of_digests() -> None:
    digests = [
        {"rule": "set", "digest": "set a = $1", "source": ""},
        {"rule": "listen", "digest": "listen jobs", "source": "jobs.rb:3"},
    ]
    assert after("f", *"JOBS").digests(digests) == digests[1:]


@pytest.mark.parametrize(
    ("pressed", "selected"),
    [
        ("", 0),
        ("j", 1),
        ("jj", 2),
        ("jjj", 2),
        ("jk", 0),
        ("k", 0),
    ],
)
def test_a_pin_is_selected(pressed: str, selected: int) -> None:
    view = after(*pressed)
    assert view.index(view.pins(PINS)) == selected


def test_the_selection_stays_on_its_pin() -> None:
    view = after("down")
    assert view.index(PINS) == 0
    assert view.index(PINS[1:]) == 0
    assert view.index([pin(9, 1.0), *PINS]) == 1
    assert View().pressed("j", []) == View()


def test_pause_help_and_quit() -> None:
    assert after("p").paused
    assert not after("p", "p").paused
    assert after("h").help
    assert after("?").help
    assert not after("h", "x").help
    assert after("q").ended
    assert after("h", "q").ended
    assert after("x") == View()


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ("jk", ["j", "k"]),
        ("\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        ("\x1b", ["escape"]),
        ("\r\n\x7f\b", ["enter", "enter", "backspace", "backspace"]),
        ("\x1b[5~q\x1b[1;5C", ["q"]),
        ("ä", ["ä"]),
    ],
)
def test_keys_by_what_a_terminal_sends(sent: str, names: list[str]) -> None:
    assert list(keys(sent)) == names
