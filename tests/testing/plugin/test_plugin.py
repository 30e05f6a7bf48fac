"""A test fails where it pins; what is allowed, known or contested does not fail it."""

import pytest

from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

ONE = """
from shop import checkout

def test_one(connection):
    checkout(connection)
"""
SHOP = """
def checkout(connection):
    place(connection)

def place(connection):
    connection.execute("SELECT 1; SET search_path TO shop")
"""
LOCAL = """
def test_contested(connection):
    connection.execute("SET LOCAL search_path TO shop")
"""
UNUSED = (
    "nothing went through pinwatch: no test used the fixture pinwatch_proxy; "
    "connect the application to pinwatch_proxy.url()"
)
UNCONNECTED = (
    "nothing went through pinwatch: no client connected to pinwatch_proxy; "
    "connect the application to pinwatch_proxy.url()"
)


def test_a_test_that_pins_fails_at_its_own_line(run: Run) -> None:
    result = run("--pinwatch", conftest=CONFTEST, shop=SHOP, test_it=ONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "RDS Proxy would pin this test's database connection: 1 pin.",
            "",
            "set: shop.py:5 in place",
            "  |",
            "  | line 1: SELECT 1; SET search_path TO shop",
            "  |                   ^^^",
            "  |",
            "  = fix: *",
            "  = more: pinwatch explain --rule set",
            "  = called from shop.py:2 in checkout",
            "  = called from test_it.py:4 in test_one",
            "  = RDS Proxy logs: * [[]WARN[]] [[]proxyEndpoint=default[]] "
            "[[]clientConnection=*[]] The client session was pinned to *",
            "*= pinwatch =*",
            "1 pin: 1 failed",
            "by rule: set 1",
            "by test: 1 in test_it.py::test_one",
            "multiplexing ratio: 1.0 (peak: 1 client, 1 database connection)",
        ]
    )
    assert "site-packages" not in result.stdout.str()


def test_without_the_option_nothing_fails(run: Run) -> None:
    result = run(conftest=CONFTEST, shop=SHOP, test_it=ONE)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= pinwatch =*")


def test_without_the_option_nothing_of_the_proxy_is_imported(run: Run) -> None:
    suite = """
    import sys

    def test_one():
        known = {name for name in sys.modules if name.split(".")[0] == "pinwatch"}
        assert known == {
            "pinwatch",
            "pinwatch.testing",
            "pinwatch.testing.plugin",
            "pinwatch.testing.plugin.options",
            "pinwatch.testing.plugin.hooks",
        }
        assert not {"pglast", "pydantic", "uvloop"} & set(sys.modules)
    """
    run(test_it=suite, fresh=True).assert_outcomes(passed=1)


def test_with_it_tests_that_do_not_use_the_proxy_start_none(run: Run) -> None:
    suite = """
    import threading

    def test_one():
        assert "pinwatch" not in {thread.name for thread in threading.enumerate()}
    """
    result = run("--pinwatch", test_it=suite)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*= pinwatch =*", UNUSED])


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["", "xdist"])
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("pass", UNCONNECTED),
        ("psycopg.connect(pinwatch_proxy.dsn).close()", "no pins"),
    ],
)
def test_it_is_told_whether_a_client_connected(
    run: Run, workers: tuple[str, ...], body: str, sentence: str
) -> None:
    suite = f"""
    import psycopg

    def test_one(pinwatch_proxy):
        {body}
    """
    result = run("--pinwatch", *workers, test_it=suite)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*= pinwatch =*", sentence])


def test_every_test_of_a_shared_session_is_told_of_its_own_pin(run: Run) -> None:
    conftest = CONFTEST.replace("fixture\n", "fixture(scope='session')\n")
    suite = """
    import pytest

    @pytest.mark.pinwatch(allow=["set"])
    def test_allowed(connection):
        connection.execute("SET a.b = 1")

    def test_not_allowed(connection):
        connection.execute("SET a.b = 2")
    """
    result = run("--pinwatch", conftest=conftest, test_it=suite)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["set: test_it.py:8 in test_not_allowed"])


def test_what_is_allowed_passes(run: Run) -> None:
    suite = """
    import pytest

    def pin(connection):
        connection.execute("SET a.b = 1; LISTEN jobs")

    @pytest.mark.pinwatch(allow=["set", "listen"])
    def test_by_the_marker(connection):
        pin(connection)

    @pytest.mark.pinwatch(allow=["set"])
    class TestIt:
        @pytest.mark.pinwatch(allow=["listen"])
        def test_by_both_markers(self, connection):
            pin(connection)

    @pytest.mark.pinwatch(max_pins=2)
    def test_by_number(connection):
        pin(connection)

    @pytest.mark.pinwatch(max_pins=1)
    def test_one_too_many(connection):
        pin(connection)

    def test_by_the_block(connection, pinwatch_proxy):
        with pinwatch_proxy.allow("set", "listen"):
            pin(connection)

    @pytest.mark.pinwatch(allow=["set"])
    def test_not_all_of_it(connection):
        pin(connection)
    """
    result = run("--pinwatch", "-v", conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*: 2 pins (max_pins allows 1).",
            "listen: test_it.py:4 in pin",
            "set: test_it.py:4 in pin",
            "listen: test_it.py:4 in pin",
        ]
    )
    result.stdout.fnmatch_lines(["12 pins: 3 failed, 9 allowed"])


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("allow=['sett']", "sett is not a rule: did you mean set?"),
        ("allow=['zzz']", "zzz is not a rule: must be one of set, *"),
        ("allow='set'", "allow is 'set', but must be a list of rules."),
        ("max_pins=-1", "max_pins is -1, but must be a whole number of at least 0."),
        ("'set'", "The marker pinwatch takes only allow=[[]...[]] and max_pins=N."),
    ],
)
def test_a_marker_that_means_nothing_is_an_error(
    run: Run, marker: str, sentence: str
) -> None:
    suite = f"""
    import pytest

    @pytest.mark.pinwatch({marker})
    def test_one():
        pass
    """
    result = run("--pinwatch", test_it=suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_it.py::test_one: {sentence}"])


def test_a_contested_pin_is_reported(run: Run) -> None:
    result = run("--pinwatch", conftest=CONFTEST, test_it=LOCAL)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "1 pin: 1 contested",
            "contested, set: test_it.py:2 in test_contested: SET LOCAL search_path *",
        ]
    )


def test_contested_pins_of_one_place_are_one_line(run: Run) -> None:
    suite = """
    def test_contested(connection):
        for number in range(3):
            connection.execute("SET LOCAL\\n  search_path\\tTO shop")
    """
    result = run("--pinwatch", conftest=CONFTEST, test_it=suite)
    result.stdout.fnmatch_lines(
        [
            "by test: *",
            "contested, set: test_it.py:3 in test_contested, 3 times: "
            "SET LOCAL search_path TO shop",
            "multiplexing ratio: *",
        ],
        consecutive=True,
    )


def test_a_contested_pin_may_fail(run: Run) -> None:
    options = ("--pinwatch", "--pinwatch-contested=fail")
    result = run(*options, conftest=CONFTEST, test_it=LOCAL)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  = contested: *"])


def test_a_failure_of_the_tests_own_stays(run: Run) -> None:
    suite = ONE.replace("checkout(connection)", "checkout(connection); assert not 1")
    result = run("--pinwatch", conftest=CONFTEST, shop=SHOP, test_it=suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert not 1", "*- Captured pinwatch call -*", "set: shop.py:5 in place"]
    )


def test_a_pin_of_a_test_that_may_fail_is_not_among_those_that_failed(
    run: Run, pytester: pytest.Pytester
) -> None:
    suite = """
    import pytest

    @pytest.mark.xfail
    def test_expected(connection):
        connection.execute("LISTEN jobs")

    def test_skips(connection):
        connection.execute("LISTEN jobs")
        pytest.skip("not today")

    @pytest.mark.xfail(strict=True)
    def test_fails_as_well(connection):
        connection.execute("LISTEN jobs")
        assert not 1
    """
    options = ("--pinwatch", "--junitxml=junit.xml")
    result = run(*options, conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(xfailed=2, skipped=1)
    result.stdout.fnmatch_lines(["3 pins: 3 allowed"])
    report = (pytester.path / "junit.xml").read_text()
    assert report.count('value="allowed, listen: ') == 3


def test_a_pin_while_a_fixture_ends_is_an_error(run: Run) -> None:
    conftest = CONFTEST.replace(
        "yield connection", "yield connection; connection.execute('LISTEN jobs')"
    )
    suite = "def test_one(connection): pass"
    result = run("--pinwatch", conftest=conftest, test_it=suite)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["listen: conftest.py:6 in connection"])


def test_the_recorder_has_the_pins_of_its_test(run: Run) -> None:
    suite = """
    def test_one(connection, pinwatch_recorder):
        connection.execute("LISTEN jobs")
        assert pinwatch_recorder.rules == ["listen"]

    def test_two(connection, pinwatch_recorder, pinwatch_proxy):
        assert pinwatch_recorder.pins == []
        connection.execute("SET a.b = 1")
        (pin,) = pinwatch_recorder.pins
        assert (pin.rule, pin.frame.function) == ("set", "test_two")
        pinwatch_recorder.clear()
        assert pinwatch_recorder.pins == []
        assert [pin.rule for pin in pinwatch_proxy.pins] == ["listen", "set"]
        assert [one["pinned"] for one in pinwatch_proxy.sessions()] == [True]
    """
    run(conftest=CONFTEST, test_it=suite).assert_outcomes(passed=2)


def test_the_target_may_come_from_the_ini_file_or_a_fixture(
    pytester: pytest.Pytester, run: Run
) -> None:
    suite = """
    import pytest

    @pytest.fixture(scope="session")
    def pinwatch_target():
        return "postgresql://127.0.0.1:1/nowhere"

    def test_one(connection):
        pass
    """
    result = run(conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["The target 127.0.0.1:1 cannot be used: *"])

    pytester.makeini("[pytest]\npinwatch_target = postgresql://127.0.0.1:2/nowhere")
    other = suite.replace(suite[suite.index("    @") : suite.index("    def test")], "")
    result = run("--pinwatch-target=", conftest=CONFTEST, test_it=other)
    result.stdout.fnmatch_lines(["The target 127.0.0.1:2 cannot be used: *"])


SETTINGS = """
import pytest

@pytest.fixture(scope="session")
def pinwatch_settings():
    return {"max_conections": 3}
"""
MISSPELT = "max_conections is not a setting: did you mean max_connections?"


@pytest.mark.parametrize(
    ("options", "conftest", "sentence"),
    [
        ((), SETTINGS, MISSPELT),
        (
            ("--pinwatch-target=postgresql://127.0.0.1:1/nowhere",),
            "",
            "The target 127.0.0.1:1 cannot be used: Connection refused.",
        ),
        (
            ("--pinwatch-target=mysql://127.0.0.1/nowhere",),
            "",
            "target must be a URL of the form postgresql://*",
        ),
    ],
)
def test_a_proxy_that_does_not_start_is_told_in_one_sentence(
    run: Run, options: tuple[str, ...], conftest: str, sentence: str
) -> None:
    suite = "def test_one(pinwatch_proxy): pass"
    result = run("--pinwatch", *options, conftest=conftest, test_it=suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["_* ERROR at setup of test_one _*", sentence, "*= pinwatch =*"],
        consecutive=True,
    )


def test_settings_may_come_from_a_fixture(run: Run) -> None:
    suite = """
    import pytest

    @pytest.fixture(scope="session")
    def pinwatch_settings():
        return {"profile": "lenient"}

    def test_one(connection):
        connection.execute("SET LOCAL search_path TO shop")
    """
    options = ("--pinwatch", "--pinwatch-contested=fail")
    run(*options, conftest=CONFTEST, test_it=suite).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--pinwatch-json=f"],
            "--pinwatch-json needs --pinwatch or --pinwatch-watchlist.",
        ),
        (["--pinwatch-contested=fail"], "--pinwatch-contested needs --pinwatch."),
        (
            ["--pinwatch", "--pinwatch-update-baseline"],
            "--pinwatch-update-baseline needs --pinwatch-baseline FILE.",
        ),
        (
            ["--pinwatch", "--pinwatch-baseline=none.json"],
            "Cannot read the baseline none.json: No such file or directory.",
        ),
    ],
)
def test_options_that_mean_nothing_are_refused(
    run: Run, options: list[str], sentence: str
) -> None:
    result = run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])


def test_asynchronous_and_threaded_tests(run: Run) -> None:
    suite = """
    import asyncpg, psycopg, pytest, threading

    async def checkout(connection):
        await connection.execute("LISTEN jobs")

    @pytest.mark.asyncio
    async def test_asyncio(pinwatch_proxy):
        connection = await asyncpg.connect(pinwatch_proxy.url())
        await checkout(connection)
        await connection.close()

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    @pytest.mark.anyio
    async def test_anyio(anyio_backend, pinwatch_proxy):
        async with await psycopg.AsyncConnection.connect(pinwatch_proxy.dsn) as one:
            await checkout(one)

    def test_threads(connection):
        def work():
            connection.execute("SET a.b = 1")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    result = run("--pinwatch", every=True, conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "listen: test_it.py:4 in checkout",
            "  = called from test_it.py:9 in test_asyncio",
            "listen: test_it.py:4 in checkout",
            "  = called from test_it.py:16 in test_anyio",
            "set: test_it.py:20 in test_threads.<locals>.work",
        ]
    )
