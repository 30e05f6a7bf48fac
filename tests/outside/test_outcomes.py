"""Outcomes are read from what test runners write."""

from __future__ import annotations

import json
from pathlib import Path

from outside import outcomes


def test_junit_has_one_outcome_per_test(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.A" name="test_one"/>
        <testcase classname="tests.A" name="test_two"><failure>no</failure></testcase>
        <testcase classname="tests.A" name="test_three[x]"><skipped/></testcase>
        <testcase classname="tests.B" name="test_one"/>
        <testcase classname="tests.B" name="test_one"><error>teardown</error></testcase>
        </testsuite></testsuites>"""
    )
    assert outcomes.junit(report) == {
        "tests.A::test_one": "passed",
        "tests.A::test_two": "failed",
        "tests.A::test_three[x]": "skipped",
        "tests.B::test_one": "failed",
    }


def test_go_tests_without_an_end_are_unfinished() -> None:
    def line(action: str, test: str | None = None) -> str:
        named = {} if test is None else {"Test": test}
        return json.dumps({"Action": action, "Package": "m/p", **named})

    lines = [
        "# the compiler's words",
        line("start"),
        line("run", "TestA"),
        line("run", "TestA/sub"),
        line("output", "TestA/sub"),
        line("pass", "TestA/sub"),
        line("pass", "TestA"),
        line("run", "TestB"),
        line("skip", "TestB"),
        line("run", "TestC"),
        line("fail", "TestC"),
        line("run", "TestD"),
        line("fail"),
    ]
    assert outcomes.go(lines) == {
        "m/p::TestA": "passed",
        "m/p::TestA/sub": "passed",
        "m/p::TestB": "skipped",
        "m/p::TestC": "failed",
        "m/p::TestD": "unfinished",
    }


def test_temporary_folders_in_names_of_go_are_the_same_in_each_run() -> None:
    name = "TestConfig/file='/tmp/TestConfig{}/001/pg.conf'_empty"
    lines = [
        json.dumps({"Package": "m", "Test": name.format(number), "Action": "pass"})
        for number in (1098499500, 4253594359)
    ]
    assert outcomes.go(lines) == {"m::TestConfig/file='TEMP/pg.conf'_empty": "passed"}


def test_pg_regress_up_to_15() -> None:
    text = """\
============== running regression test queries        ==============
test test_setup                   ... ok          245 ms
parallel group (3 tests):  char boolean text
     boolean                      ... ok          113 ms
     char                         ... FAILED (test process exited with exit code 2)
     text                         ... FAILED       30 ms
test nowait                       ... failed (ignored)  3 ms
 2 of 5 tests failed.
"""
    assert outcomes.regress(text) == {
        "test_setup": "passed",
        "boolean": "passed",
        "char": "failed",
        "text": "failed",
        "nowait": "failed",
    }


def test_pg_regress_since_16() -> None:
    text = """\
# parallel group (2 tests):  char boolean
ok 1         - test_setup                                245 ms
ok 2         + boolean                                   113 ms
not ok 3     + char                                       30 ms
1..3
# 1 of 3 tests failed.
"""
    assert outcomes.regress(text) == {
        "test_setup": "passed",
        "boolean": "passed",
        "char": "failed",
    }


def test_tap_has_names_numbers_and_directives() -> None:
    text = """1..6
ok 1 - Connect with DBI->connect()
not ok 2 - DB handle method "do" works
#   Failed test 'DB handle method "do" works'
ok 3
ok 4 # skip Need PostgreSQL 99
not ok 5 - Later # TODO not written
ok 6 - Connect with DBI->connect()
not ok 6 - Connect with DBI->connect()
"""
    assert outcomes.tap(text) == {
        "Connect with DBI->connect()": "failed",
        'DB handle method "do" works': "failed",
        "3": "passed",
        "4": "skipped",
        "Later": "skipped",
    }
