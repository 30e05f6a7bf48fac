"""A whole run, short, of the one subject that is always there."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import results
from bench.cases import MB, Case, Copy, choose
from bench.run import Plan, carry_out, rotated
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
    plan = Plan(LOADS, [Direct(), broken], seconds=3, rounds=1)
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
