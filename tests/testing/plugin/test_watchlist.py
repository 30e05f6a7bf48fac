"""Production's digests fail their tests, and the run says which ones it met."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from pinwatch.errors import SettingError
from pinwatch.events import SessionPinned
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.testing.plugin.watchlist import Entry, Watchlist
from tests.pinned import PIN
from tests.testing.conftest import Run, outcomes
from tests.testing.plugin.suites import CONFTEST

LAST: Final = datetime(2026, 11, 30, 10, 1, tzinfo=UTC)
SUITE: Final = """
import pytest

def test_set(connection):
    connection.execute("SET a.b = 1")

def test_listen(connection):
    connection.execute("LISTEN jobs")

def test_contested(connection):
    connection.execute("SET LOCAL a.b = 1")

@pytest.mark.pinwatch(max_pins=1)
def test_limit(connection):
    connection.execute("SET a.b = 1")

@pytest.mark.pinwatch(allow=["set"])
def test_allowed(connection):
    connection.execute("SET a.b = 1")
"""
LISTED: Final = (
    '{"version": 1, "pins": [{"rule": "set", "digest": "set a", "ahead": 0, '
    '"calls": 0, "last": null, %s}]}'
)
CASE: Final = """
import psycopg
from pinwatch import PinwatchTestCase

class TestShop(PinwatchTestCase):
    pinwatch_target = {target!r}

    def test_it(self):
        with psycopg.connect(self.pinwatch.dsn, autocommit=True) as connection:
            connection.execute("LISTEN jobs")
"""


def entry(digest: str, count: int = 1, rule: str = "set") -> Entry:
    return Entry(rule, digest, count, 0, 0, 11_520.0, LAST)


def pin(digest: str) -> SessionPinned:
    return replace(PIN, digest=digest)


@pytest.fixture
def option(pytester: pytest.Pytester) -> str:
    """The option with a watchlist of two digests that the suite has, and another."""
    listed = [entry("set a.b = $1", 812), entry("set local a.b = $1"), entry("set c")]
    Watchlist(listed).write(pytester.path / "watch.json")
    return "--pinwatch-watchlist=watch.json"


def test_alone_it_fails_on_what_it_lists_and_reports_the_rest(
    run: Run, option: str
) -> None:
    result = run(option, "-rN", conftest=CONFTEST, test_it=SUITE)
    outcomes(result, failed=3, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_set _*",
            "RDS Proxy would pin this test's database connection: 1 pin.",
            "set: test_it.py:4 in test_set",
            "  = seen in production: 812 pins, 3 h pinned, last 2026-11-30 10:01 UTC",
            "  = fix: *",
            "*_ test_contested _*",
            "*_ test_limit _*",
            "RDS Proxy would pin this test's database connection: 1 pin.",
            "5 pins: 3 failed, 1 reported, 1 allowed",
            "reported, listen: test_it.py:7 in test_listen: LISTEN jobs",
            "production: the tests met 2 of 3 digests",
            "no test sent this digest: set c (set; 1 pin, 3 h pinned, last "
            "2026-11-30 10:01 UTC)",
        ]
    )


def test_a_baseline_does_not_cover_it(
    run: Run, option: str, pytester: pytest.Pytester
) -> None:
    pins = [
        {"test": "*", "rule": "set", "digest": "set a.b = $1"},
        {"test": "*", "rule": "listen", "digest": "listen jobs"},
    ]
    known = pytester.path / "known.json"
    known.write_text(json.dumps({"version": 1, "pins": pins}))
    options = ("--pinwatch", "--pinwatch-baseline=known.json", "--pinwatch-json=f")
    result = run(*options, option, "-n1", conftest=CONFTEST, test_it=SUITE)
    outcomes(result, failed=3, passed=2)
    result.stdout.fnmatch_lines(["production: the tests met 2 of 3 digests"])
    records = json.loads((pytester.path / "f").read_text())["pins"]
    assert {one["test"].split("::")[1]: one["outcome"] for one in records} == {
        "test_set": "failed",
        "test_listen": "baseline",
        "test_contested": "failed",
        "test_limit": "failed",
        "test_allowed": "allowed",
    }
    assert all(bool(one["production"]) is (one["rule"] == "set") for one in records)


def test_other_pins_of_a_test_case_fail_as_without_it(
    run: Run, option: str, target: str
) -> None:
    result = run(option, test_shop=CASE.format(target=target))
    outcomes(result, failed=1)


def test_an_entry_without_figures_is_an_entry(
    run: Run, pytester: pytest.Pytester
) -> None:
    listed = [Entry("set", "set a.b = $1", 0, 0, 0, 0.0, None)]
    Watchlist(listed).write(pytester.path / "watch.json")
    option = "--pinwatch-watchlist=watch.json"
    result = run(option, "-n1", "-rN", conftest=CONFTEST, test_it=SUITE)
    outcomes(result, failed=2, passed=3)
    result.stdout.fnmatch_lines(
        ["*_ test_limit _*", "  = seen in production: without figures"]
    )


def test_a_file_that_is_not_there_is_misuse(run: Run) -> None:
    result = run("--pinwatch-watchlist=none.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: Cannot read the watchlist none.json: No such file or directory."]
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "{} is not a watchlist that pinwatch wrote: JSONDecodeError: *"),
        ("[]", "{} is not a watchlist that pinwatch wrote: TypeError: *"),
        (
            '{"version": 1, "pins": [{}]}',
            "{} is not a watchlist that pinwatch wrote: KeyError: 'last'.",
        ),
        (
            LISTED % '"count": Infinity, "pinned_seconds": 0',
            "{} is not a watchlist that pinwatch wrote: ValueError: Infinity *",
        ),
        (
            LISTED % '"count": 1e999, "pinned_seconds": 0',
            "{} is not a watchlist that pinwatch wrote: OverflowError: *",
        ),
        (
            LISTED % '"count": 1, "pinned_seconds": "nan"',
            "{} is not a watchlist that pinwatch wrote: ValueError: *",
        ),
        (
            '{"version": 2}',
            "The watchlist {} has version 2, but must have version 1.",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "watch.json"
    file.write_text(text)
    with pytest.raises(SettingError) as refused:
        Watchlist.read(file)
    pytest.LineMatcher([str(refused.value)]).fnmatch_lines([problem.format(file)])


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    listed = [entry("set a"), Entry("listen", "listen a", 0, 2, 3, 0.0, None)]
    file = tmp_path / "watch.json"
    Watchlist(listed, {"statement_size": 5}).write(file)
    document = json.loads(file.read_text())
    assert document["without_digest"] == {"statement_size": 5}
    document["pins"][0]["new"] = document["new"] = "a key of a later pinwatch"
    file.write_text(json.dumps(document))
    assert [*Watchlist.read(file).entries.values()] == listed
    assert listed[1].seen == "2 warnings, 3 calls"


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("savepoint sa_#", "savepoint sa_7"),
        ("listen jobs", "/* controller='orders' */ listen jobs"),
        (f"set a = {'b' * MAX_SQL}c", f"set a = {'b' * MAX_SQL}"[:MAX_SQL]),
    ],
    ids=["a generated name", "a comment", "a text that is cut"],
)
def test_digests_of_the_same_code_match(listed: str, sent: str) -> None:
    one = entry(listed)
    watchlist = Watchlist([one, entry("set c")])
    assert watchlist.find(pin(sent)) is one
    assert [other.digest for other in watchlist.unmet([pin(sent)])] == ["set c"]


def test_a_digest_that_begins_alike_does_not_match() -> None:
    assert Watchlist([entry("set a.b = $1")]).find(pin("set a.b")) is None
