"""pinwatch report --write-watchlist: the digests that tests can meet."""

import json
from pathlib import Path
from typing import Any, Final

from tests.cli.command import pinwatch
from tests.production.logs import LOG, text, write

CONTESTED: Final = LOG[1].replace("set search_path to $1", "set local work_mem = $1")
STATEMENTS: Final = b"""calls,query
7,LISTEN jobs
3,SET LOCAL a.b = 1
2,SELECT 1
"""


def watchlist(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Return standard error and the file."""
    file = folder / "watch.json"
    ended = pinwatch("report", *arguments, "--write-watchlist", str(file))
    assert ended.returncode == 1
    return ended.stderr.replace(str(file), "FILE"), json.loads(file.read_text())


def test_it_lists_digests_and_counts_pins_without_one(tmp_path: Path) -> None:
    said, document = watchlist(tmp_path, write(tmp_path, "log", text(LOG)))
    assert document == {
        "version": 1,
        "pins": [
            {
                "rule": "set",
                "digest": "set search_path to $1",
                "count": 1,
                "ahead": 0,
                "calls": 0,
                "pinned_seconds": 30.0,
                "last": "2026-11-30T10:00:01.000Z",
            }
        ],
        "without_digest": {"statement_size": 1},
    }
    assert said == (
        "Watchlist written: FILE, 1 digest.\n"
        "Left out, because the log has no digest, or only its beginning: "
        "statement_size (1 pin).\n"
    )


def test_a_contested_digest_is_listed_if_it_pinned(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text([CONTESTED]))
    statements = write(tmp_path, "statements.csv", STATEMENTS)
    said, document = watchlist(tmp_path, log, statements)
    listed = {pin["digest"]: (pin["count"], pin["calls"]) for pin in document["pins"]}
    assert listed == {"set local work_mem = $1": (1, 0), "listen jobs": (0, 7)}
    assert said == "Watchlist written: FILE, 2 digests.\n"


def test_a_digest_that_is_cut_off_is_left_out(tmp_path: Path) -> None:
    cut_off = LOG[1].partition("_path")[0]
    said, document = watchlist(tmp_path, write(tmp_path, "log", text([cut_off])))
    assert (document["pins"], document["without_digest"]) == ([], {"set": 1})
    assert "only its beginning: set (1 pin)." in said


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG))
    ended = pinwatch("report", log, "--write-watchlist", f"{log}/watch.json")
    assert ended.returncode == 2
    assert ended.stderr == (f"pinwatch: Cannot write {log}/watch.json: File exists.\n")


def test_a_file_that_cannot_be_read_leaves_the_old_watchlist(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG))
    old = write(tmp_path, "watch.json", b"old")
    missing = str(tmp_path / "none")
    ended = pinwatch("report", log, missing, "--write-watchlist", old)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"pinwatch: {missing}: No such file or directory.\n"
        f"pinwatch: Watchlist not written: {old}, because not all files could be "
        "read.\n"
    )
    assert Path(old).read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [Path(log), Path(old)]
