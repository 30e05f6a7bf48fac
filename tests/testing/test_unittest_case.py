"""unittest, by its own runner and by pytest's."""

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.testing.conftest import Run

SUITE = """
import unittest
import psycopg
from pinwatch import PinwatchTestCase

class TestShop(PinwatchTestCase):
    pinwatch_target = {target!r}
    pinwatch_allow = ("declare_cursor",)

    def setUp(self):
        self.connection = psycopg.connect(self.pinwatch.dsn, autocommit=True)
        self.addCleanup(self.connection.close)

    def test_pins(self):
        self.connection.execute("LISTEN jobs")

    def test_clean(self):
        self.connection.execute("SELECT 1")

    def test_contested(self):
        self.connection.execute("SET LOCAL a.b = 1")

    def test_allowed(self):
        self.connection.execute("DECLARE c CURSOR WITH HOLD FOR SELECT 1")
        with self.pinwatch.allow("listen"):
            self.connection.execute("LISTEN jobs")

    def test_pins_in_a_cleanup(self):
        self.addCleanup(self.connection.execute, "LISTEN jobs")

class TestStrict(TestShop):
    pinwatch_contested = "fail"

@unittest.skip("It is not wanted.")
class TestSkipped(PinwatchTestCase):
    def test_one(self):
        pass
"""


@pytest.fixture
def suite(target: str) -> str:
    return SUITE.format(target=target)


def test_by_unittest(suite: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_shop=suite)
    command = [sys.executable, "-m", "unittest", "-v", "test_shop"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pytester.path)
    failed = [
        line.removeprefix("FAIL: ").split(" ")[1].removeprefix("(test_shop.")[:-1]
        for line in done.stderr.splitlines()
        if line.startswith("FAIL: ")
    ]
    assert failed == [
        "TestShop.test_pins",
        "TestShop.test_pins_in_a_cleanup",
        "TestStrict.test_contested",
        "TestStrict.test_pins",
        "TestStrict.test_pins_in_a_cleanup",
    ]
    assert done.stderr.splitlines()[-1] == "FAILED (failures=5, skipped=1)"
    assert "listen: test_shop.py:14 in TestShop.test_pins\n" in done.stderr


def test_by_pytest(suite: str, run: Run) -> None:
    run(test_shop=suite).assert_outcomes(passed=5, failed=5, skipped=1)


def test_by_pytest_with_the_option_the_run_judges(
    suite: str, run: Run, pytester: pytest.Pytester
) -> None:
    options = ("--pinwatch", "--pinwatch-json=pins.json")
    result = run(*options, test_shop=suite)
    result.assert_outcomes(passed=5, failed=5, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "RDS Proxy would pin this test's database connection: 1 pin.",
            "listen: test_shop.py:14 in TestShop.test_pins",
            "10 pins: 5 failed, 1 contested, 4 allowed",
            "multiplexing ratio: *",
        ]
    )
    report = json.loads((pytester.path / "pins.json").read_text())
    failed = [pin["test"] for pin in report["pins"] if pin["outcome"] == "failed"]
    assert sorted(failed) == [
        "test_shop.py::TestShop::test_pins",
        "test_shop.py::TestShop::test_pins_in_a_cleanup",
        "test_shop.py::TestStrict::test_contested",
        "test_shop.py::TestStrict::test_pins",
        "test_shop.py::TestStrict::test_pins_in_a_cleanup",
    ]


def test_by_pytest_a_full_baseline_holds(suite: str, run: Run) -> None:
    known = ("--pinwatch", "--pinwatch-baseline=known.json")
    result = run(*known, "--pinwatch-update-baseline", test_shop=suite)
    result.assert_outcomes(passed=10, skipped=1)
    result = run(*known)
    result.assert_outcomes(passed=10, skipped=1)
    result.stdout.fnmatch_lines(["10 pins: 1 contested, 5 baseline, 4 allowed"])


def test_by_pytest_a_failure_of_the_tests_own_stays(suite: str, run: Run) -> None:
    wrong = suite.replace('"LISTEN jobs")\n', '"LISTEN jobs"); assert not 1\n', 1)
    result = run("--pinwatch", "-k", "TestShop and test_pins", test_shop=wrong)
    result.assert_outcomes(failed=2, deselected=9)
    result.stdout.fnmatch_lines(
        ["E *assert not 1", "*- Captured pinwatch call -*", "listen: *in *test_pins"]
    )


CLASS: Final = """
import psycopg
from pinwatch import PinwatchTestCase

class TestShop(PinwatchTestCase):
    pinwatch_target = {target!r}
    pinwatch_allow = {allow!r}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = psycopg.connect(cls.pinwatch.dsn, autocommit=True)
        cls.connection.execute("LISTEN jobs")

    @classmethod
    def tearDownClass(cls):
        cls.connection.execute("SET a.b = 1")
        cls.connection.close()

    def test_one(self):
        self.connection.execute("SELECT 1")

    def test_two(self):
        self.connection.execute("LOAD 'plpgsql'")
"""


@pytest.mark.parametrize("allow", [(), ("listen", "set")])
def test_a_class_that_pins_by_unittest(
    target: str, pytester: pytest.Pytester, allow: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_shop=CLASS.format(target=target, allow=allow))
    command = [sys.executable, "-m", "unittest", "-v", "test_shop"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pytester.path)
    assert "FAIL: test_two" in done.stderr
    assert ("ERROR: tearDownClass (test_shop.TestShop)" in done.stderr) is not bool(
        allow
    )
    if not allow:
        assert (
            "RDS Proxy would pin the database connection of the class TestShop: 2 pins."
        ) in done.stderr
        assert "set: test_shop.py:16 in TestShop.tearDownClass" in done.stderr


def test_a_class_that_pins_by_pytest(target: str, run: Run) -> None:
    suite = CLASS.format(target=target, allow=())
    result = run(test_shop=suite)
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*the database connection of the class TestShop: 2*"])
    result = run("--pinwatch")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["by fixture: 2 in test_shop.py::TestShop::setUpCl*"])
    assert "of the class TestShop" not in result.stdout.str()


def test_rules_that_do_not_exist_are_an_error(suite: str, run: Run) -> None:
    wrong = suite.replace("declare_cursor", "declare")
    result = run(test_shop=wrong)
    result.assert_outcomes(errors=10, skipped=1)
    result.stdout.fnmatch_lines(["E *declare is not a rule: did you mean *"])


def test_a_proxy_that_does_not_start_is_told_without_what_is_within(run: Run) -> None:
    suite = """
    from pinwatch import PinwatchTestCase

    class TestIt(PinwatchTestCase):
        pinwatch_target = "postgresql://127.0.0.1:1/nowhere"

        def test_one(self):
            pass
    """
    result = run("--pinwatch", test_it=suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *The target 127.0.0.1:1 cannot be used: *"])
    assert len(result.outlines) < 30


LEAKY: Final = """
import psycopg
from pinwatch import PinwatchTestCase

class TestShop(PinwatchTestCase):
    pinwatch_target = {target!r}

    def leave(self):
        with psycopg.connect(self.pinwatch.dsn, autocommit=True) as connection:
            connection.execute("DO $$ BEGIN SET work_mem = '77MB'; END $$")

    def test_one(self):
        self.leave()
        self.assertEqual(self.pinwatch.leaks[-1].name, "work_mem")

    def test_two(self):
        self.leave()

class TestStrict(TestShop):
    pinwatch_leaks = "fail"

class TestAllowed(TestStrict):
    pinwatch_allow = ("hidden_state",)
"""


def test_leaks_fail_if_the_class_says_so(
    target: str, pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(test_shop=LEAKY.format(target=target))
    command = [sys.executable, "-m", "unittest", "test_shop"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pytester.path)
    assert done.stderr.splitlines()[-1] == "FAILED (failures=2)"
    assert "hidden_state: test_shop.py:9 in TestShop.leave\n" in done.stderr
    assert "called from test_shop.py:16 in TestShop.test_two" in done.stderr

    result = run("--pinwatch")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["6 leaks: 2 failed, 2 reported, 2 allowed"])
