"""pytest-xdist: one proxy a worker, one merged report."""

import json

import pytest

from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

SUITE = """
import os, pytest

@pytest.mark.parametrize("number", range(6))
def test_one(connection, number):
    assert os.environ["PYTEST_XDIST_WORKER"] in ("gw0", "gw1")
    connection.execute("LISTEN jobs")
"""


def test_each_worker_has_a_proxy_and_the_report_is_one(
    run: Run, pytester: pytest.Pytester
) -> None:
    options = (
        "--pinwatch",
        "-n2",
        "--pinwatch-json=pins.json",
        "--pinwatch-sarif=pins.sarif",
        "--pinwatch-baseline=known.json",
        "--pinwatch-update-baseline",
    )
    result = run(*options, conftest=CONFTEST, test_it=SUITE)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "6 pins: 6 baseline",
            "by rule: listen 6",
            "multiplexing ratio: *(peak: * clients, * database connections)",
        ]
    )
    report = json.loads((pytester.path / "pins.json").read_text())
    assert len(report["pins"]) == report["tests"] == 6
    sarif = json.loads((pytester.path / "pins.sarif").read_text())
    assert len(sarif["runs"][0]["results"]) == 6
    known = json.loads((pytester.path / "known.json").read_text())
    assert len(known["pins"]) == 6

    result = run("--pinwatch", "-n2")
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(["listen: test_it.py:6 in test_one", "6 pins: 6 *"])


def test_a_marker_that_means_nothing_is_an_error_there_too(run: Run) -> None:
    suite = """
    import pytest

    @pytest.mark.pinwatch(allow=["sett"])
    def test_one():
        pass
    """
    result = run("--pinwatch", "-n1", test_it=suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*sett is not a rule: did you mean set?"])
