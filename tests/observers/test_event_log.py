"""The event log of real pins, and a file that takes nothing."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from select import select
from typing import Any

import psycopg
import pytest

from pinwatch.clock import Clock
from pinwatch.observers import schemas
from pinwatch.observers.event_log import NOT_YET, EventLog
from pinwatch.observers.leak_history import Leaks
from pinwatch.observers.pin_history import History
from pinwatch.production.formats import read_file
from pinwatch.production.records import Pinned
from tests.cli.command import Up, pinwatch, pinwatch_up
from tests.leaked import LEAK
from tests.pinned import PIN
from tests.site import ask

PIPE_SIZE = 65_536  # bytes that Linux keeps of a pipe without a reader


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """One that is open, and read when the test wants to; its path, and its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)
    try:
        yield path, end
    finally:
        os.close(end)


def pin(up: Up, *statements: str) -> None:
    """A session for each."""
    for sql in statements:
        with closing(psycopg.connect(up.url, autocommit=True)) as client:
            client.execute(sql.encode())


def lines(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as text:
        return [json.loads(line) for line in text]


def test_a_line_for_each_pin(target: str, tmp_path: Path) -> None:
    file = tmp_path / "pins.jsonl"
    arguments = "--target", target, "--event-log", str(file)
    with pinwatch_up(tmp_path / "log", *arguments) as up:
        pin(up, "LISTEN jobs", "SELECT 1", "SET a.b =\n'ö\u2028'")
        pins = ask(f"{up.greeting['HTTP']}/api/pins").json
        assert up.stop() == 0
    logged = [one["sql"] for one in lines(file)]
    assert logged == ["LISTEN jobs", "SET a.b =\n'ö\u2028'"]
    begun = [{k: v for k, v in one.items() if k not in NOT_YET} for one in pins]
    assert lines(file) == begun[::-1]


def test_a_line_for_each_leak(tmp_path: Path) -> None:
    """A pin has a rule, a leak has a kind: readers tell them apart."""
    file = tmp_path / "pins.jsonl"
    history, leaks = History(Clock()), Leaks()
    with EventLog(file, 10_000, 0) as written:
        history.listeners.append(written)
        leaks.listeners.append(written)
        leaks(LEAK)
        history(PIN)
    leak, pin = lines(file)
    assert leak == schemas.Leak.of(leaks.leaks()[0]).model_dump(mode="json")
    assert ("kind" in leak, "rule" in leak) == (True, False)
    assert ("kind" in pin, "rule" in pin) == (False, True)
    assert [one.digest for one in read_file(str(file)) if isinstance(one, Pinned)] == [
        PIN.digest
    ]


@pytest.mark.parametrize("backups", [0, 2])
def test_its_files_are_for_their_owner_only(tmp_path: Path, backups: int) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    history = History(Clock())
    with EventLog(folder / "pins.jsonl", 500, backups) as written:
        history.listeners.append(written)
        for client in range(20):
            history(replace(PIN, client=client))
    files = list(folder.iterdir())
    assert len(files) == 1 + backups
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "pins.jsonl"
    file.touch(0o640)
    with EventLog(file, 500, 0):
        pass
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_it_goes_on_where_it_ended(target: str, tmp_path: Path) -> None:
    file = tmp_path / "pins.jsonl"
    for rule in ("LISTEN jobs", "DISCARD ALL"):
        arguments = "--target", target, "--http", "off"
        with pinwatch_up(
            tmp_path / "log", *arguments, PINWATCH_EVENT_LOG=str(file)
        ) as up:
            pin(up, rule)
            assert up.stop() == 0
    assert [one["rule"] for one in lines(file)] == ["listen", "discard"]


def test_it_is_rotated(target: str, tmp_path: Path) -> None:
    file = tmp_path / "pins.jsonl"
    with pinwatch_up(
        tmp_path / "log",
        *("--target", target, "--event-log", str(file)),
        PINWATCH_EVENT_LOG_MAX_BYTES="1000",
        PINWATCH_EVENT_LOG_BACKUPS="2",
    ) as up:
        pin(up, *(f"LISTEN jobs{number}" for number in range(5)))
        assert up.stop() == 0
    files = [file, tmp_path / "pins.jsonl.1", tmp_path / "pins.jsonl.2"]
    assert sorted(tmp_path.glob("pins.jsonl*")) == files
    assert [[one["id"] for one in lines(each)] for each in files] == [[5], [4], [3]]


def test_a_disk_that_stands_still_stops_nobody(
    target: str, tmp_path: Path, pipe: tuple[Path, int]
) -> None:
    """Lines that do not fit are kept, and written once the reader continues."""
    path, end = pipe
    comment = "x" * 2_000
    pins = 2 * PIPE_SIZE // len(comment)
    arguments = "--target", target, "--event-log", str(path)
    with pinwatch_up(tmp_path / "log", *arguments) as up:
        pin(up, *(f"LISTEN jobs /* {comment} */" for _ in range(pins)))
        assert len(ask(f"{up.greeting['HTTP']}/api/pins").json) == pins
        up.process.terminate()
        with os.fdopen(os.dup(end), encoding="utf-8") as reader:
            written = [json.loads(reader.readline()) for _ in range(pins)]
        assert up.process.wait() == 0
    assert [one["id"] for one in written] == list(range(1, pins + 1))


def test_no_more_wait_than_there_is_room_for(
    pipe: tuple[Path, int], caplog: pytest.LogCaptureFixture
) -> None:
    path, end = pipe
    history, room, pins = History(Clock()), 3, 20
    with EventLog(path, 10**9, 1, max_waiting=room) as event_log:
        history.listeners.append(event_log)
        for client in range(pins):
            history(replace(PIN, client=client, sql="x" * PIPE_SIZE))
            select([end], [], [])  # the first is being written
        with os.fdopen(os.dup(end), encoding="utf-8") as reader:
            written = [json.loads(reader.readline()) for _ in range(room + 1)]
    assert [one["id"] for one in written] == [1, 2, 3, 4]
    assert caplog.messages == [
        "Event log: the disk is too slow; dropping lines.",
        f"Event log: {pins - room - 1} lines dropped.",
    ]


def test_a_full_disk_costs_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    history = History(Clock())
    with EventLog(Path("/dev/full"), 10**9, 1) as event_log:
        history.listeners.append(event_log)
        for client in range(50):
            history(replace(PIN, client=client))
    assert caplog.messages == [
        "Event log: cannot write to /dev/full: No space left on device (lines lost: 1)."
    ]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("/no/such/folder/pins", "No such file or directory"),
        ("/tmp", "Is a directory"),
    ],
)
def test_a_file_that_cannot_be(file: str, reason: str) -> None:
    ended = pinwatch("up", "--event-log", file)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"pinwatch: event_log is {file}, but must be a file that can be written to: "
        f"{reason}.\n"
    )
