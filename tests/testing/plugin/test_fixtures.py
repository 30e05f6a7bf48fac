"""Pins of fixtures that live longer than a test are reported under the fixture."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

MIGRATED = """
import psycopg, pytest

@pytest.fixture(scope="session", autouse=True)
def migrations(pinwatch_proxy):
    with psycopg.connect(pinwatch_proxy.dsn, autocommit=True) as connection:
        connection.execute("SET search_path TO shop")
        yield
        connection.execute("LISTEN jobs")

@pytest.fixture
def connection(pinwatch_proxy):
    with psycopg.connect(pinwatch_proxy.dsn, autocommit=True) as connection:
        yield connection
"""
TWO = """
def test_one(connection): pass
def test_two(connection): pass
"""


def test_pins_of_a_session_fixture_have_a_section_of_their_own(run: Run) -> None:
    result = run("--pinwatch", conftest=MIGRATED, test_it=TWO)
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "_* ERROR at setup of session fixture migrations _*",
            "RDS Proxy would pin the database connection of a session fixture: 2 pins.",
            "",
            "set: conftest.py:6 in migrations",
            "listen: conftest.py:8 in migrations",
            "*= pinwatch =*",
            "2 pins: 2 failed",
            "by fixture: 2 in conftest.py::migrations (session)",
            "ERROR conftest.py::migrations*",
        ]
    )
    assert "by test" not in result.stdout.str()
    assert "%]" not in result.stdout.str().partition("ERRORS")[0].replace("100%]", "")


def test_tests_keep_the_pins_of_their_own(run: Run) -> None:
    """Pins of a fixture that begins or ends between those of a test."""
    conftest = (
        MIGRATED
        + """
@pytest.fixture
def late(connection, request):
    connection.execute("LISTEN before")
    request.getfixturevalue("module_one")
    connection.execute("LISTEN after")

@pytest.fixture(scope="module")
def module_one(pinwatch_proxy):
    with psycopg.connect(pinwatch_proxy.dsn, autocommit=True) as connection:
        connection.execute("SET a.b = 1")
        yield
"""
    )
    suite = "def test_one(late): pass"
    options = ("--pinwatch", "--pinwatch-json=pins.json")
    result = run(*options, conftest=conftest, test_it=suite)
    result.assert_outcomes(failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "by test: 2 in test_it.py::test_one",
            "by fixture: 2 in conftest.py::migrations (session)",
            "by fixture: 1 in conftest.py::module_one (module)",
        ]
    )


def test_the_reports_name_the_fixture(run: Run, pytester: pytest.Pytester) -> None:
    options = ("--pinwatch", "--pinwatch-json=pins.json", "--junitxml=junit.xml")
    run(*options, conftest=MIGRATED, test_it=TWO)
    pins = json.loads((pytester.path / "pins.json").read_text())["pins"]
    assert [(pin["test"], pin["fixture_scope"]) for pin in pins] == [
        ("conftest.py::migrations", "session")
    ] * 2
    cases = ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    assert {case.attrib["name"]: [one.tag for one in case] for case in cases} == {
        "test_one": [],
        "test_two": [],
        "migrations": ["error"],
    }


def test_workers_report_a_session_fixture_once(run: Run) -> None:
    result = run("--pinwatch", "-n2", conftest=MIGRATED, test_it=TWO)
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["set: conftest.py:6 in migrations, 2 times"])


ALLOWED = MIGRATED.replace(
    'connection.execute("SET search_path TO shop")',
    'with pinwatch_proxy.allow("set", "listen"):\n'
    '            connection.execute("SET search_path TO shop")',
).replace('connection.execute("LISTEN jobs")', "")


def test_a_block_allows_them(run: Run) -> None:
    result = run("--pinwatch", conftest=ALLOWED, test_it=TWO)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 pin: 1 allowed"])


def test_a_marker_of_the_module_covers_its_fixtures(run: Run) -> None:
    suite = """
    import pytest

    pytestmark = pytest.mark.pinwatch({})

    @pytest.fixture(scope="module", autouse=True)
    def listening(pinwatch_proxy):
        import psycopg
        with psycopg.connect(pinwatch_proxy.dsn, autocommit=True) as connection:
            connection.execute("LISTEN jobs")
            yield

    def test_one(): pass
    """
    for marker, errors in (("allow=['listen']", 0), ("max_pins=1", 0), ("", 1)):
        result = run("--pinwatch", test_it=suite.format(marker))
        result.assert_outcomes(passed=1, errors=errors)


def test_a_baseline_has_them(run: Run, pytester: pytest.Pytester) -> None:
    options = ("--pinwatch", "--pinwatch-baseline=known.json")
    run(*options, "--pinwatch-update-baseline", conftest=MIGRATED, test_it=TWO)
    document = json.loads((pytester.path / "known.json").read_text())
    assert [(pin["test"], pin["rule"]) for pin in document["pins"]] == [
        ("conftest.py::migrations", "listen"),
        ("conftest.py::migrations", "set"),
    ]
    run(*options).assert_outcomes(passed=2)
    clean = MIGRATED.replace('connection.execute("LISTEN jobs")', "")
    result = run(*options, conftest=clean, test_it=TWO)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["no longer occurs, remove from the baseline: listen in conftest.py::migrat*"]
    )


def test_contested_ones_fail_nothing(run: Run) -> None:
    contested = MIGRATED.replace("SET search", "SET LOCAL search").replace(
        'connection.execute("LISTEN jobs")', ""
    )
    result = run("--pinwatch", conftest=contested, test_it=TWO)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["contested, set: conftest.py:6 in migrations: SET L*"])


@pytest.mark.parametrize(
    ("suite", "name"),
    [
        (
            """
            def setup_module():
                pin()

            def test_one(pinwatch_proxy): pass
            """,
            "test_it.py::setup_module (module)",
        ),
        (
            """
            class TestIt:
                @classmethod
                def setup_class(cls):
                    pin()

                def test_one(self): pass
            """,
            "test_it.py::TestIt::setup_class (class)",
        ),
        (
            """
            import unittest

            class TestIt(unittest.TestCase):
                @classmethod
                def tearDownClass(cls):
                    pin()

                def test_one(self): pass
            """,
            "test_it.py::TestIt::setUpClass (class)",
        ),
    ],
)
def test_setup_of_modules_and_classes(run: Run, suite: str, name: str) -> None:
    conftest = """
    import psycopg, pytest

    @pytest.fixture(scope="session", autouse=True)
    def url(pinwatch_proxy):
        psycopg.url = pinwatch_proxy.dsn
    """
    head = """
            import psycopg

            def pin():
                with psycopg.connect(psycopg.url, autocommit=True) as connection:
                    connection.execute("LISTEN jobs")
    """
    result = run("--pinwatch", conftest=conftest, test_it=head + suite)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"by fixture: 1 in {name}"])


def test_the_class_of_a_pinwatch_test_case(run: Run) -> None:
    suite = """
    import psycopg
    from pinwatch import PinwatchTestCase

    class TestIt(PinwatchTestCase):
        pinwatch_target = {target!r}

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            with psycopg.connect(cls.pinwatch.dsn, autocommit=True) as connection:
                connection.execute("LISTEN jobs")

        def test_one(self): pass
        def test_two(self): pass
    """
    # The option names the database of this test, which a TestCase names itself.
    conftest = """
    import pinwatch

    def pytest_configure(config):
        pinwatch.PinwatchTestCase.pinwatch_target = config.getoption("pinwatch_target")
    """
    suite = suite.replace("        pinwatch_target = {target!r}\n\n", "")
    result = run("--pinwatch", conftest=conftest, test_it=suite)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["by fixture: 1 in test_it.py::TestIt::setUpClass (c*"])


def test_a_pin_of_a_function_fixture_is_its_tests(run: Run) -> None:
    conftest = CONFTEST.replace(
        "yield connection", "connection.execute('LISTEN jobs'); yield connection"
    )
    result = run("--pinwatch", conftest=conftest, test_it=TWO)
    result.assert_outcomes(failed=2)


# Other processes.

ALEMBIC = """
import subprocess, sys, pytest

CODE = '''
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True, application_name=sys.argv[2]) as c:
    c.execute(sys.argv[3])
'''

@pytest.fixture(scope="session", autouse=True)
def migrations(pinwatch_proxy):
    for name, sql in [
        ("alembic", "SET search_path TO shop"),
        ("", "LISTEN a"),
        ("web", "LISTEN b /*file:app/jobs.rb:3*/"),
        ("web", "LISTEN c /*action:index*/"),
    ]:
        subprocess.run(
            [sys.executable, "-c", CODE, pinwatch_proxy.dsn, name, sql], check=True
        )
"""


def test_a_pin_of_another_process_says_so(run: Run, pytester: pytest.Pytester) -> None:
    suite = "def test_one(): pass"
    options = ("--pinwatch", "--pinwatch-json=pins.json")
    result = run(*options, conftest=ALEMBIC, test_it=suite)
    result.assert_outcomes(passed=1, errors=1)
    lines = result.stdout.lines
    assert "set: sent by another process, application alembic" in lines
    (unnamed,) = [line for line in lines if line.startswith("listen: sent by another")]
    assert unnamed.startswith("listen: sent by another process, user ")
    assert "listen: in index, sent by another process, application web" in lines
    at = lines.index("listen: app/jobs.rb:3")
    assert "  = sent by another process, application web" in lines[at : at + 8]
    pins = json.loads((pytester.path / "pins.json").read_text())["pins"]
    assert [pin["other_process"] for pin in pins] == [True] * 4


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["", "xdist"])
def test_the_summary_of_a_run_on_ci_has_a_line_a_failure(
    run: Run, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CI", "true")
    suite = """
    import psycopg

    def test_one(pinwatch_proxy):
        psycopg.connect(pinwatch_proxy.dsn).execute("LISTEN jobs").connection.close()
    """
    result = run("--pinwatch", *workers, conftest=ALEMBIC, test_it=suite)
    result.assert_outcomes(failed=1, errors=1)
    lines = result.stdout.lines
    (title,) = [n for n, line in enumerate(lines) if "test summary info" in line]
    assert lines[title + 1 : -1] == [
        "FAILED test_it.py::test_one - Failed: RDS Proxy would pin this test's "
        "database connection: 1 pin.",
        "ERROR conftest.py::migrations - RDS Proxy would pin the database connection "
        "of a session fixture: 4 pins.",
    ]
    assert lines.count("listen: app/jobs.rb:3") == 1


def test_junit_has_the_whole_text(run: Run, pytester: pytest.Pytester) -> None:
    suite = "def test_one(): pass"
    run("--pinwatch", "--junitxml=junit.xml", conftest=ALEMBIC, test_it=suite)
    assert "listen: app/jobs.rb:3" in (pytester.path / "junit.xml").read_text()


def test_a_pin_of_this_process_does_not(run: Run) -> None:
    """A thread's line that is not found is not another process."""
    result = run("--pinwatch", conftest=MIGRATED, test_it=TWO)
    assert "another process" not in result.stdout.str()
