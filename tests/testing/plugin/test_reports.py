"""The reports of a run for programs: JSON, SARIF, JUnit properties, annotations."""

import json
import os
import stat
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema

from pinwatch.reports.github import annotations
from pinwatch.reports.result import Result
from pinwatch.reports.sarif import sarif
from pinwatch.testing.found import Leak, Pin
from pinwatch.testing.origin import Frame
from pinwatch.testing.plugin.record import Outcome, Record
from tests.leaked import LEAK
from tests.pinned import PIN
from tests.testing.conftest import Run
from tests.testing.plugin.suites import CONFTEST

UMASK = os.umask(0o022)
os.umask(UMASK)

SUITE = """
import pytest

def listen(connection):
    connection.execute("LISTEN jobs")

def test_fails(connection):
    listen(connection)

@pytest.mark.pinwatch(allow=["listen"])
def test_allowed(connection):
    listen(connection)

def test_contested(connection):
    connection.execute("SET LOCAL a.b = 1")

def test_clean(connection):
    connection.execute("SELECT 1")
"""


def record(
    test: str = "tests/test_it.py::test_one",
    outcome: Outcome = Outcome.FAILED,
    **chosen: Any,
) -> Record:
    values: dict[str, Any] = {
        "digest": "set a.b = $1",
        "sql": "SET a.b = 1",
        "statement": "SET a.b = 1",
        "advice": "Do not.",
        "reason": "SQL changed it.",
        "frames": (Frame("tests/test_it.py", 3, "test_one"), Frame("a/b.py", 7, "pay")),
    }
    pin = Pin(**PIN.values() | values | chosen)
    return Record(test, outcome, pin, log="[WARN]")


def result(**chosen: Any) -> Result:
    return record(**chosen).result()


def valid(report: dict[str, Any]) -> dict[str, Any]:
    """Validate report by models generated from the schema of SARIF 2.1.0."""
    StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(report)
    return report


def test_json(run: Run, pytester: pytest.Pytester) -> None:
    options = ("--pinwatch", "--pinwatch-json=out/pins.json")
    run(*options, conftest=CONFTEST, test_it=SUITE, fresh=True)
    report = json.loads((pytester.path / "out/pins.json").read_text())
    pins = report.pop("pins")
    connections = report.pop("database_connections")
    assert report.pop("multiplexing_ratio") == 1 / connections
    assert connections in (1, 2)  # the second while the first is being reset
    assert report == {
        "version": 1,
        "pinwatch": report["pinwatch"],
        "tests": 4,
        "outcomes": {
            "failed": 1,
            "reported": 0,
            "contested": 1,
            "baseline": 0,
            "allowed": 1,
        },
        "leak_outcomes": dict.fromkeys(report["outcomes"], 0),
        "leaks": [],
        "client_connections": 1,
        "gone": [],
    }
    assert [(pin["test"], pin["outcome"], pin["rule"]) for pin in pins] == [
        ("test_it.py::test_fails", "failed", "listen"),
        ("test_it.py::test_allowed", "allowed", "listen"),
        ("test_it.py::test_contested", "contested", "set"),
    ]
    assert pins[0]["frames"] == [
        {"file": "test_it.py", "line": 7, "function": "test_fails"},
        {"file": "test_it.py", "line": 4, "function": "listen"},
    ]
    assert pins[0]["trigger"] == [0, 6]
    assert "The client session was pinned" in pins[0]["log"]


def test_reports_are_for_their_owner_only(run: Run, pytester: pytest.Pytester) -> None:
    """Unless they exist with another mode; a baseline has digests only."""
    (pytester.path / "shared.json").touch(0o640)
    files = {
        "--pinwatch-json=pins.json": 0o600,
        "--pinwatch-sarif=pins.sarif": 0o600,
        "--pinwatch-baseline=baseline.json": 0o666 & ~UMASK,
    }
    options = ("--pinwatch", "--pinwatch-update-baseline", *files)
    run(*options, conftest=CONFTEST, test_it=SUITE)
    run("--pinwatch", "--pinwatch-json=shared.json")
    files["=shared.json"] = 0o640
    assert {
        option: stat.S_IMODE((pytester.path / option.partition("=")[2]).stat().st_mode)
        for option in files
    } == files


def test_sarif(run: Run, pytester: pytest.Pytester) -> None:
    options = ("--pinwatch", "--pinwatch-sarif=pins.sarif")
    run(*options, conftest=CONFTEST, test_it=SUITE, fresh=True)
    report = valid(json.loads((pytester.path / "pins.sarif").read_text()))
    (of_run,) = report["runs"]
    assert [rule["id"] for rule in of_run["tool"]["driver"]["rules"]] == [
        "listen",
        "set",
    ]
    failed, allowed, contested = of_run["results"]
    assert (failed["ruleId"], failed["ruleIndex"], failed["level"]) == (
        "listen",
        0,
        "error",
    )
    (location,) = failed["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "test_it.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 4},
    }
    assert len(failed["stacks"][0]["frames"]) == 2
    assert (allowed["level"], allowed["suppressions"]) == (
        "note",
        [{"kind": "inSource"}],
    )
    assert contested["level"] == "warning"
    assert "Contested" not in failed["message"]["text"]


def test_sarif_of_nothing() -> None:
    assert valid(sarif([]))["runs"][0]["results"] == []


def test_sarif_of_a_line_that_was_not_found() -> None:
    (found,) = valid(sarif([result(frames=())]))["runs"][0]["results"]
    assert found["locations"] == [
        {
            "logicalLocations": [
                {
                    "fullyQualifiedName": "tests/test_it.py::test_one",
                    "kind": "function",
                }
            ]
        }
    ]
    assert "stacks" not in found


def test_sarif_of_a_function_alone() -> None:
    (found,) = valid(sarif([result(frames=(Frame("", 0, "/orders"),))]))["runs"][0][
        "results"
    ]
    (location,) = found["locations"]
    assert [one["fullyQualifiedName"] for one in location.pop("logicalLocations")] == [
        "/orders",
        "tests/test_it.py::test_one",
    ]
    assert location == {}


@pytest.mark.parametrize(
    ("frame", "uri"),
    [
        (Frame("/srv/app a.py", 1, "f"), {"uri": "file:///srv/app%20a.py"}),
        (Frame("app/a b.py", 0, ""), {"uri": "app/a%20b.py", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_sarif_of_files(frame: Frame, uri: dict[str, str]) -> None:
    (found,) = valid(sarif([result(frames=(frame,))]))["runs"][0]["results"]
    physical = found["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == uri
    assert ("region" in physical) == bool(frame.line)


@pytest.mark.parametrize(
    "one",
    [record(), Record("t", Outcome.REPORTED, Leak(**LEAK.values()), log="")],
    ids=["pin", "leak"],
)
def test_a_record_survives_its_way_between_processes(one: Record) -> None:
    assert Record.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_junit(run: Run, pytester: pytest.Pytester) -> None:
    run("--pinwatch", "--junitxml=junit.xml", conftest=CONFTEST, test_it=SUITE)
    cases = ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    properties = {
        case.attrib["name"]: [one.attrib["value"] for one in case.iter("property")]
        for case in cases
    }
    assert properties == {
        "test_fails": ["failed, listen: test_it.py:4 in listen: LISTEN jobs"],
        "test_allowed": ["allowed, listen: test_it.py:4 in listen: LISTEN jobs"],
        "test_contested": [
            "contested, set: test_it.py:14 in test_contested: SET LOCAL a.b = 1"
        ],
        "test_clean": [],
    }


# GitHub's annotations.


def test_annotations_are_for_github_only() -> None:
    assert list(annotations([result()], {})) == []


FIX = "Fix: Do not.%0AMore: pinwatch explain --rule set"
REST = f"SET a.b = 1%0A{FIX}%0ATest: tests/test_it.py::test_one"


def test_annotations(tmp_path: Path) -> None:
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    inside = Frame(f"{tmp_path}/app/a,b.py", 3, "pay")
    results = [
        result(frames=(inside,), statement="SET a =\n'100%'"),
        result(frames=(inside,), statement="SET a =\n'100%'"),
        result(outcome=Outcome.ALLOWED),
        result(outcome=Outcome.CONTESTED, frames=()),
        result(frames=(Frame("", 0, "/orders"),)),
        result(frames=(Frame(f"{tmp_path}/a.js", 0, ""),)),
    ]
    assert list(annotations(results, environment)) == [
        "::error title=RDS Proxy pins%3A set,file=app/a%2Cb.py,line=3::"
        f"SET a =%0A'100%25'%0A{FIX}%0ATest: tests/test_it.py::test_one",
        f"::warning title=RDS Proxy pins%3A set::{REST}",
        f"::error title=RDS Proxy pins%3A set::{REST}",
        f"::error title=RDS Proxy pins%3A set,file=a.js::{REST}",
    ]


def test_annotations_in_a_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run("--pinwatch", conftest=CONFTEST, test_it=SUITE)
    result.stdout.fnmatch_lines(
        ["::error title=RDS Proxy pins%3A listen,file=*test_it.py,line=4::LISTEN jobs*"]
    )
