"""A whole run, short, of the one subject that is always there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import results
from bench.cases import MB, Case, Copy, choose
from bench.run import Plan, carry_out, quietest, rotated
from bench.subjects import Direct, Other

LOADS: tuple[Case, ...] = (
    *choose(["extended-1", "simple-1-tls"]),
    Copy("copy-out", 1, direction="out", payload=MB),
    Copy("copy-in", 1, direction="in", payload=MB),
)


def test_each_load_gives_a_reading_or_says_why_not(tmp_path: Path) -> None:
    said: list[str] = []
    turns: list[None] = []
    broken = Other("broken=false {port}")
    plan = Plan(LOADS, [Direct(), broken], seconds=3, rounds=1, attempts=1)
    run = carry_out(plan, said.append, lambda: turns.append(None), tmp_path)
    for case, metric in (
        ("extended-1", "tps"),
        ("extended-1", "p99_ms"),
        ("copy-out", "mb_per_s"),
        ("copy-in", "mb_per_s"),
    ):
        summary = run.summary(case, "direct", metric)
        assert summary is not None
        assert summary.median > 0
    assert run.absent["simple-1-tls"]["direct"] == "the embedded PostgreSQL has no TLS"
    assert "not started" in run.absent["copy-in"]["broken"]
    assert len(turns) == plan.turns
    (file,) = tmp_path.iterdir()
    assert results.read(file) == run


def test_a_proxy_that_fails_is_quoted(tmp_path: Path) -> None:
    program = (
        'import socket; server = socket.create_server(("127.0.0.1", {port})); '
        'print("it hangs up", flush=True); '
        "[server.accept()[0].close() for _ in iter(int, 1)]"
    )
    mute = Other(f"mute={sys.executable} -c '{program}'")
    plan = Plan(choose(["simple-1"]), [mute], seconds=3, rounds=1)
    run = carry_out(plan, lambda _: None, lambda: None, tmp_path)
    assert "its log ends: it hangs up" in run.absent["simple-1"]["mute"]


def test_each_round_begins_with_another_subject() -> None:
    direct, other = Direct(), Other("other=true")
    assert rotated([direct, other], 0) == [direct, other]
    assert rotated([direct, other], 1) == [other, direct]
    assert rotated([], 1) == []


@pytest.mark.parametrize(
    ("taken", "counts", "turns"),
    [([0.02], 0.02, 1), ([0.3, 0.1], 0.1, 2), ([0.3, 0.2, 0.4], 0.2, 3)],
    ids=["quiet", "again", "never quiet"],
)
def test_a_turn_that_others_disturbed_is_run_again(
    taken: list[float], counts: float, turns: int
) -> None:
    done: list[float] = []

    def turn() -> dict[str, float]:
        done.append(taken[len(done)])
        return {"other_cores": done[-1]}

    assert quietest(turn, 3) == {"other_cores": counts}
    assert len(done) == turns


def test_a_turn_that_read_nothing_of_others_counts() -> None:
    reading = {"idle_kb_per_client": 1.4}
    assert quietest(lambda: reading, 1) == reading
