"""Known pins pass, new ones fail, and those that are gone are reported."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pinwatch.errors import SettingError
from pinwatch.events import SessionPinned
from pinwatch.testing.plugin.baseline import Baseline, Entry
from tests.pinned import PIN
from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

BASELINE = "--pinwatch-baseline=known.json"
UPDATE = "--pinwatch-update-baseline"
SUITE = """
import pytest

@pytest.mark.parametrize("name", ["a.b", "c.d"])
def test_set(connection, name):
    connection.execute(f"SET {name} = 1")

def test_listen(connection):
    connection.execute("LISTEN jobs")

def test_allowed(connection, pinwatch_proxy):
    with pinwatch_proxy.allow("listen"):
        connection.execute("LISTEN jobs")

def test_contested(connection):
    connection.execute("SET LOCAL a.b = 1")
"""
WRITTEN = """\
{
  "version": 1,
  "pins": [
    {
      "test": "test_it.py::test_listen",
      "rule": "listen",
      "digest": "listen jobs"
    },
    {
      "test": "test_it.py::test_set[a.b]",
      "rule": "set",
      "digest": "set a.b = $1"
    },
    {
      "test": "test_it.py::test_set[c.d]",
      "rule": "set",
      "digest": "set c.d = $1"
    }
  ]
}
"""


def pin(rule: str, digest: str) -> SessionPinned:
    return replace(PIN, rule=rule, digest=digest)


def test_it_is_made_and_then_holds(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--pinwatch", BASELINE, UPDATE, conftest=CONFTEST, test_it=SUITE)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["baseline written: known.json"])
    file = pytester.path / "known.json"
    assert file.read_text() == WRITTEN

    result = run("--pinwatch", BASELINE)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["5 pins: 1 contested, 3 baseline, 1 allowed"])
    assert file.read_text() == WRITTEN


def test_what_is_new_fails_and_what_is_gone_is_told(
    run: Run, pytester: pytest.Pytester
) -> None:
    file = pytester.path / "known.json"
    file.write_text(WRITTEN)
    suite = SUITE.replace("LISTEN jobs", "LISTEN other")
    result = run("--pinwatch", BASELINE, conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        [
            "listen: test_it.py:8 in test_listen",
            "no longer occurs, remove from the baseline: listen in "
            "test_it.py::test_listen: listen jobs",
        ]
    )

    # Of a part of the suite, the rest of the baseline is not said to be gone.
    result = run("--pinwatch", BASELINE, "-k", "test_set")
    result.assert_outcomes(passed=2, deselected=3)
    result.stdout.no_fnmatch_line("*no longer occurs*")

    result = run("--pinwatch", BASELINE, UPDATE)
    result.stdout.fnmatch_lines(["removed from the baseline: listen in *"])
    digests = [entry["digest"] for entry in json.loads(file.read_text())["pins"]]
    assert digests == ["listen other", "set a.b = $1", "set c.d = $1"]


def test_a_name_with_a_threads_id_in_it_is_known_again(
    run: Run, pytester: pytest.Pytester
) -> None:
    suite = """
    import time

    def test_one(connection):
        for number in (9, 10):
            name = f"_django_curs_{time.time_ns()}_sync_{number}"
            connection.execute(f'DECLARE "{name}" CURSOR WITH HOLD FOR SELECT 1')
    """
    result = run("--pinwatch", BASELINE, UPDATE, conftest=CONFTEST, test_it=suite)
    result.assert_outcomes(passed=1)
    (entry,) = json.loads((pytester.path / "known.json").read_text())["pins"]
    digest = 'declare "_django_curs_#_sync_#" cursor with hold for select $1'
    assert entry["digest"] == digest

    result = run("--pinwatch", BASELINE, "--pinwatch-sarif=pins.sarif")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*no longer occurs*")
    (of_run,) = json.loads((pytester.path / "pins.sarif").read_text())["runs"]
    prints = {str(one["partialFingerprints"]) for one in of_run["results"]}
    assert (len(of_run["results"]), len(prints)) == (2, 1)


def test_a_baseline_that_has_such_a_name_holds() -> None:
    baseline = Baseline([Entry("*", "declare_cursor", "declare c_7fc812629250_2 x")])
    known = pin("declare_cursor", "declare c_7fd0aa11e5b0_3 x")
    assert baseline.has(known, "x.py::test_a")


def test_patterns_of_tests() -> None:
    baseline = Baseline([Entry("tests/*::test_set*", "set", "set a = $1")])
    assert baseline.has(pin("set", "set a = $1"), "tests/x.py::test_set[1]")
    assert not baseline.has(pin("set", "set a = $1"), "other/x.py::test_set")
    assert not baseline.has(pin("set", "set b = $1"), "tests/x.py::test_set")
    assert not baseline.has(pin("listen", "set a = $1"), "tests/x.py::test_set")


def test_an_id_is_no_pattern_by_its_brackets() -> None:
    baseline = Baseline([Entry("x.py::test[ab]", "set", "")])
    assert baseline.has(pin("set", ""), "x.py::test[ab]")


def test_an_update_keeps_a_pattern_that_still_holds() -> None:
    entry = Entry("x.py::*", "set", "")
    pins = [(pin("set", ""), "x.py::test_a"), (pin("set", ""), "y.py::test_b")]
    updated = Baseline([entry]).updated(["x.py::test_a", "y.py::test_b"], pins)
    assert updated.entries == [entry, Entry("y.py::test_b", "set", "")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not a baseline that pinwatch wrote: JSON"),
        ("[]", "is not a baseline that pinwatch wrote: Type"),
        ("{}", "is not a baseline that pinwatch wrote: KeyError"),
        ('{"version": 1, "pins": [{}]}', "is not a baseline"),
        (
            '{"version": 1, "pins": [{"test": "*", "rule": "set", "digest": 5}]}',
            "is not a baseline that pinwatch wrote: TypeError: digest must be",
        ),
        ('{"version": 9}', "has version 9, but must have version 1."),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "known.json"
    file.write_text(text)
    with pytest.raises(SettingError, match=sentence):
        Baseline.read(file)
