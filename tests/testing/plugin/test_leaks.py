"""State that RDS Proxy does not see is reported at the line that left it."""

import json
from typing import Any, Final

import psycopg
import pytest

from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

SCHEMA: Final = """
CREATE SCHEMA app;
CREATE FUNCTION app.set_tenant(tenant text, is_local boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', tenant, is_local); END $$;
CREATE FUNCTION app.login(tenant text) RETURNS void LANGUAGE sql
    AS $$ SELECT app.set_tenant(tenant, false) $$;
CREATE FUNCTION app.leave_two() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN SET work_mem = '77MB'; PERFORM pg_advisory_lock(7); END $$;
"""
SHOP: Final = """
def checkout(connection, tenant="42"):
    with connection.transaction():
        connection.execute("SELECT app.login(%s)", [tenant])
        connection.execute("SELECT 1")
"""
SUITE: Final = """
from shop import checkout

def test_leaks(connection):
    checkout(connection)

def test_does_not(connection):
    with connection.transaction():
        connection.execute("SELECT app.set_tenant('42', true)")
"""
LEAKED: Final = [
    "hidden_state: shop.py:3 in checkout",
    "  |",
    "  | line 1: SELECT app.login($1)",
    "  |         ^^^^^^^^^^^^^^^^^^^^",
    "  |",
    "  = left: the setting app.tenant = '42'",
    "  = code: app.login() -> app.set_tenant() -> SELECT set_config(*",
    "  = fix: set_config(..., true) and SET LOCAL end with the transaction.",
    "  = more: pinwatch explain --rule hidden_state",
    "  = called from test_it.py:4 in test_leaks",
    "  = unseen: RDS Proxy neither pins nor logs, and the next client gets it",
]
FAIL: Final = "--pinwatch-leaks=fail"
BASELINE: Final = "--pinwatch-baseline=known.json"


@pytest.fixture(autouse=True)
def schema(direct: psycopg.Connection[Any]) -> None:
    direct.execute(SCHEMA)


def test_a_leak_is_reported_at_its_line(run: Run) -> None:
    result = run("--pinwatch", conftest=CONFTEST, shop=SHOP, test_it=SUITE)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "no pins",
            "1 leak: 1 reported",
            "by rule: hidden_state 1",
            "by test: 1 in test_it.py::test_leaks",
            "reported, hidden_state: shop.py:3 in checkout: SELECT app.login($1)",
            "  = left: the setting app.tenant = '42'",
            "  = code: app.login() -> app.set_tenant() -> SELECT set_config(*",
            "  = fix: set_config(..., true) and SET LOCAL end with the transaction.",
            "multiplexing ratio: *",
        ],
        consecutive=True,
    )


def test_a_leak_may_fail_at_its_line(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--pinwatch", FAIL, conftest=CONFTEST, shop=SHOP, test_it=SUITE)
    result.assert_outcomes(passed=1, failed=1)
    head = "RDS Proxy would not see state on this test's database connection: 1 leak."
    result.stdout.fnmatch_lines([head, "", *LEAKED, "*= pinwatch =*", "no pins"])
    result.stdout.fnmatch_lines(["1 leak: 1 failed"])

    pytester.makeini("[pytest]\npinwatch_leaks = fail")
    run("--pinwatch").assert_outcomes(passed=1, failed=1)
    run("--pinwatch", "--pinwatch-leaks=report").assert_outcomes(passed=2)


def test_a_baseline_knows_leaks(run: Run, pytester: pytest.Pytester) -> None:
    update = (BASELINE, "--pinwatch-update-baseline")
    run("--pinwatch", *update, conftest=CONFTEST, shop=SHOP, test_it=SUITE)
    entry = {
        "test": "test_it.py::test_leaks",
        "rule": "hidden_state",
        "digest": "select app.login($1)",
    }
    known = json.loads((pytester.path / "known.json").read_text())
    assert known["pins"] == [entry]

    result = run("--pinwatch", FAIL, BASELINE)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 leak: 1 baseline"])

    result = run("--pinwatch", FAIL, BASELINE, shop=SHOP.replace("app.login", "length"))
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["no longer occurs, remove from the baseline: hidden_state in *"]
    )


def test_each_test_has_its_own_leak(run: Run) -> None:
    """The state of an earlier test is not on the connection any more."""
    suite = """
    import pytest
    from shop import checkout

    @pytest.fixture(scope="module", autouse=True)
    def made(shared):
        checkout(shared)

    @pytest.mark.parametrize("number", range(3))
    def test_leaks(shared, number, pinwatch_proxy):
        leaked = "SELECT current_setting('app.tenant', true)"
        assert not shared.execute(leaked).fetchone()[0]
        checkout(shared)
        pinwatch_proxy.settle()
        assert shared.execute(leaked).fetchone() == ("42",)
    """
    conftest = CONFTEST + CONFTEST.replace(
        "fixture\ndef connection", "fixture(scope='session')\ndef shared"
    )
    result = run("--pinwatch", FAIL, conftest=conftest, shop=SHOP, test_it=suite)
    result.assert_outcomes(failed=3, errors=1)
    result.stdout.fnmatch_lines(["4 leaks: 4 failed"])
    result.stdout.fnmatch_lines(["by fixture: 1 in test_it.py::made (module)"])


def test_leaks_that_are_allowed(run: Run) -> None:
    suite = """
    import pytest
    from shop import checkout

    @pytest.mark.pinwatch(allow=["hidden_state"])
    def test_by_the_marker(connection):
        checkout(connection)

    def test_by_the_block(connection, pinwatch_proxy):
        with pinwatch_proxy.allow("hidden_state"):
            checkout(connection)

    @pytest.mark.pinwatch(max_pins=9)
    def test_not_by_the_number_of_pins(connection):
        checkout(connection)
    """
    result = run("--pinwatch", FAIL, conftest=CONFTEST, shop=SHOP, test_it=suite)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["3 leaks: 1 failed, 2 allowed"])


def test_all_that_one_statement_left(run: Run) -> None:
    suite = """
    def test_leaks(connection):
        connection.execute("SELECT app.leave_two()")
        connection.execute("LISTEN jobs")
    """
    result = run("--pinwatch", FAIL, conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "RDS Proxy would pin this test's database connection: 1 pin.",
            "RDS Proxy would not see state on *: 2 leaks.",
            "hidden_state: test_it.py:2 in test_leaks",
            "  = left: the advisory lock 7",
            "hidden_state: test_it.py:2 in test_leaks",
            "  = left: the setting work_mem = '77MB'",
            "listen: test_it.py:3 in test_leaks",
        ]
    )


def test_with_swap_code_does_not_meet_what_it_left(run: Run) -> None:
    suite = """
    from shop import checkout

    def test_leans_on_it(connection, pinwatch_proxy):
        checkout(connection)
        pinwatch_proxy.settle()  # the probe is over, and its connection is free
        found = connection.execute("SELECT current_setting('app.tenant', true)")
        assert found.fetchone() == ("42",)
    """
    run("--pinwatch", conftest=CONFTEST, shop=SHOP, test_it=suite).assert_outcomes(
        passed=1
    )
    result = run("--pinwatch", "--pinwatch-swap")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 leak: 1 reported", "reported, hidden_state: shop*"])


def test_the_recorder_has_the_leaks_of_its_test(run: Run) -> None:
    suite = """
    from shop import checkout

    def test_one(connection, pinwatch_recorder, pinwatch_proxy):
        checkout(connection)
        (leak,) = pinwatch_recorder.leaks
        assert (leak.name, leak.value) == ("app.tenant", "42")
        assert leak.frame.function == "checkout"
        pinwatch_recorder.clear()
        assert pinwatch_recorder.leaks == pinwatch_recorder.pins == []
        assert pinwatch_proxy.leaks == [leak]
    """
    run(conftest=CONFTEST, shop=SHOP, test_it=suite).assert_outcomes(passed=1)


def test_it_can_be_off(target: str, run: Run) -> None:
    """Also for the class of a PinwatchTestCase, whose proxy looks for it."""
    case = f"""
    import psycopg
    from pinwatch import PinwatchTestCase
    from shop import checkout

    class TestShop(PinwatchTestCase):
        pinwatch_target = {target!r}

        def test_leaks(self):
            with psycopg.connect(self.pinwatch.dsn) as connection:
                checkout(connection)
    """
    options = ("--pinwatch", "--pinwatch-leaks=off")
    files = {"conftest": CONFTEST, "shop": SHOP, "test_it": SUITE, "test_case": case}
    result = run(*options, **files)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["no pins", "multiplexing ratio: *"], consecutive=True)


def test_reports(run: Run, pytester: pytest.Pytester) -> None:
    options = (
        "--pinwatch",
        "--pinwatch-json=leaks.json",
        "--pinwatch-sarif=leaks.sarif",
        "--junitxml=junit.xml",
        "-n1",
    )
    run(*options, conftest=CONFTEST, shop=SHOP, test_it=SUITE)
    report = json.loads((pytester.path / "leaks.json").read_text())
    assert (report["pins"], report["leak_outcomes"]["reported"]) == ([], 1)
    (leak,) = report["leaks"]
    assert (leak["test"], leak["outcome"]) == ("test_it.py::test_leaks", "reported")
    assert (leak["kind"], leak["name"], leak["value"]) == (
        "setting",
        "app.tenant",
        "42",
    )
    assert leak["frames"][-1] == {"file": "shop.py", "line": 3, "function": "checkout"}

    (run_of,) = json.loads((pytester.path / "leaks.sarif").read_text())["runs"]
    (found,) = run_of["results"]
    assert (found["ruleId"], found["level"]) == ("hidden_state", "warning")
    assert "leaves the setting app.tenant = '42'" in found["message"]["text"]
    assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}

    line = "reported, hidden_state: shop.py:3 in checkout: SELECT app.login($1)"
    assert line in (pytester.path / "junit.xml").read_text()


def test_another_value_is_refused(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--pinwatch-leaks=fail")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--pinwatch-leaks needs --pinwatch or *"])
    pytester.makeini("[pytest]\npinwatch_leaks = none")
    result = run("--pinwatch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pinwatch_leaks is none, but must be report, *"])
