"""Frames of pinwatch top by the size of the terminal, without one."""

from io import StringIO
from typing import Any, Final

import pytest
from rich.console import Console

from pinwatch.cli.top_frame import Answers, Size, frame
from pinwatch.cli.top_view import View

POOL: Final = {
    "max_connections": 4,
    "open": 1,
    "clients": 1,
    "waiting": 0,
    "connections": [{"state": "pinned"}],
}
PROXY: Final = {
    "version": "1.2.3",
    "name": "shop",
    "profile": "lenient",
    "uptime": 3_700.0,
    "failovers": 2,
    "endpoints": [
        {"name": "default", "address": "127.0.0.1:6432", "role": "READ_WRITE"},
        {"name": "reads", "address": "127.0.0.1:6433", "role": "READ_ONLY"},
    ],
}
FAULT: Final = {"name": "flaky", "meaning": "1 borrow in 2", "happened": 1, "left": 5.0}
SITE: Final = "http://localhost:9632"


def target(name: str, **more: Any) -> dict[str, Any]:
    health = {"state": "AVAILABLE", "reason": None, "description": None}
    return (
        {"name": name, "role": "READ_ONLY", "address": f"{name}:5432"} | health | more
    )


def pin(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "pinned_seconds": 100.0 - number,
        "first": True,
        "rule": "set",
        "user": "app",
        "database": "shop",
        "application_name": "web",
        "sql": f"SET a.b = '<{number}>'",
        "statement": f"SET a.b = '<{number}>'",
        "source": "",
        "contested": "",
        "advice": "Do not. " * 40,
    } | more


def digest(number: int) -> dict[str, Any]:
    return {
        "rule": "set",
        "digest": f"digest <{number}>",
        "source": "",
        "pinned_seconds": 1.0,
        "count": 1,
        "later": 0,
        "peak_connections": 1,
    }


def answers(pins: int = 0, digests: int = 0, **more: Any) -> Answers:
    listed = [pin(number) for number in range(pins)]
    ranked = [digest(number) for number in range(digests)]
    known = Answers(PROXY, POOL, [target("db")], [], listed, ranked)
    return known._replace(**more)


def shown(
    found: Answers, height: int | None = None, view: View | None = None, width: int = 90
) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(frame(found, SITE, Size(width, height), view))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_head() -> None:
    gone = target(
        "old",
        role="READ_WRITE",
        state="UNAVAILABLE",
        reason="UNREACHABLE",
        description="Connection\x1b[2J refused.",
    )
    leak = {
        "id": 7,
        "state": "the setting app.tenant = '4\x1b[2J2'",
        "function": "app.login()",
    }
    found = answers(targets=[gone, target("db")], faults=[FAULT], leaks=[leak])
    assert shown(found, width=100)[:9] == [
        f"pinwatch 1.2.3  {SITE}  proxy shop, profile lenient, up 1 h, 2 failovers",
        "1 client, 0 waiting   1 of 4 database connections   █ pinned 1",
        "█···",
        "target old  writer  old:5432  UNAVAILABLE",
        "  UNREACHABLE: Connection [2J refused.",
        "target db  reader  db:5432  AVAILABLE",
        "endpoints default 127.0.0.1:6432, reads 127.0.0.1:6433 (readers)",
        "fault flaky: 1 borrow in 2; happened once, 5.0 s left",
        "hidden state: 7 leaks, the latest the setting app.tenant = '4 [2J2' "
        "(app.login())",
    ]


@pytest.mark.parametrize("height", [14, 15, 18, 24, 40])
@pytest.mark.parametrize("pins", [0, 3, 60])
def test_a_frame_fits_into_the_terminal(height: int, pins: int) -> None:
    lines = shown(answers(pins, digests=60), height, View())
    assert len(lines) <= height
    assert lines[-1].startswith("s sort   f filter")


def test_without_a_height_all_rows_are_there() -> None:
    lines = shown(answers(60, 60))
    assert len([line for line in lines if "SET a.b" in line]) == 60
    assert len([line for line in lines if "digest <" in line]) == 60


def test_digests_are_left_out_of_a_small_terminal() -> None:
    assert "Digests by pinned time" not in shown(answers(9, 9), 15, View())
    assert "Digests by pinned time" in shown(answers(9, 9), 24, View())


@pytest.mark.parametrize("selected", [0, 5, 59])
def test_the_selected_row_and_its_fix_are_in_sight(selected: int) -> None:
    lines = shown(answers(60, 60), 24, View(selected=selected))
    (row,) = [line for line in lines if line.startswith("▶ ")]
    assert f"<{selected}>" in row
    (head,) = [line for line in lines if line.startswith("set: ")]
    assert head == f"set: SET a.b = '<{selected}>'"
    at = lines.index(head)
    assert lines[at + 1].startswith("Fix: Do not.")
    assert lines[at + 3].endswith(" ...")


def test_the_fix_names_line_and_doubt() -> None:
    doubtful = pin(1, source="app/db.py:30", contested="For a pin: ...")
    lines = shown(answers()._replace(pins=[doubtful]), 24, View())
    assert "set, contested at app/db.py:30: SET a.b = '<1>'" in lines


def test_the_fix_is_one_line_in_a_small_terminal() -> None:
    lines = shown(answers(9), 15, View())
    assert len([line for line in lines if "Do not." in line]) == 1


def test_a_filter_that_matches_nothing() -> None:
    lines = shown(answers(3, 3), 24, View(filter="nowhere"))
    assert 'Pinned: 3, by pinned time, filter "nowhere"' in lines
    assert not [line for line in lines if "<" in line]


def test_the_last_line_says_what_keys_do_now() -> None:
    assert shown(answers(), 24, View(edited="a"))[-1].startswith("filter: a_   Enter")
    assert shown(answers(), 24, View(paused=True))[-1].startswith("PAUSED, p goes on")


def test_help_is_in_place_of_all_else() -> None:
    lines = shown(answers(3), 24, View(help=True))
    assert lines[0] == f"pinwatch top {SITE}"
    assert not [line for line in lines if "Pinned" in line]
