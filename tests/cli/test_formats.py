"""The formats and exit statuses that explain and check share."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema

from tests.cli.command import Up, environment, forks, pinwatch, pinwatch_up

SCRIPT: Final = "SELECT 1;\n  SET search_path TO shop;\nSET LOCAL a.b = 1;\n"
FORMATS: Final = ("text", "json", "sarif", "github", "junit")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "V1__init.sql"
    file.write_text(SCRIPT)
    return file


@pytest.fixture
def up(target: str, tmp_path: Path) -> Iterator[Up]:
    with pinwatch_up(tmp_path / "log", "--target", target) as running:
        yield running


@contextmanager
def sent(up: Up, *statements: str) -> Iterator[None]:
    with closing(psycopg.connect(up.url, autocommit=True)) as client:
        for statement in statements:
            client.execute(statement.encode())
        yield


def valid(text: str) -> dict[str, Any]:
    """Return the only run of SARIF, validated by models of the schema."""
    report = json.loads(text)
    StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(report)
    (run,) = report["runs"]
    assert isinstance(run, dict)
    return run


def cases(text: str) -> list[tuple[str, str, list[str]]]:
    """Return class, name and outcome of each case of JUnit."""
    return [
        (case.attrib["classname"], case.attrib["name"], [one.tag for one in case])
        for case in ElementTree.fromstring(text).iter("testcase")
    ]


# explain.

REPORTED: Final = ("--contested", "report")


def test_explain_as_sarif(script: Path) -> None:
    ended = pinwatch("explain", str(script), "--format", "sarif", *REPORTED)
    assert ended.returncode == 1
    run = valid(ended.stdout)
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("set", "error")
    assert (second["ruleId"], second["level"]) == ("set", "warning")
    (location,) = first["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": script.as_uri()},
        "region": {"startLine": 2, "startColumn": 3, "endColumn": 6},
    }
    assert "For a pin: " in second["message"]["text"]


def test_explain_as_annotations(script: Path) -> None:
    ended = pinwatch("explain", str(script), "--format", "github", *REPORTED)
    assert ended.returncode == 1
    first, second = ended.stdout.splitlines()
    assert first.startswith(
        f"::error title=RDS Proxy pins%3A set,file={script},line=2::"
        "SET search_path TO shop%0AFix: "
    )
    assert second.startswith("::warning title=RDS Proxy pins%3A set,file=")


def test_explain_as_junit(script: Path) -> None:
    ended = pinwatch("explain", str(script), "--format", "junit", *REPORTED)
    assert ended.returncode == 1
    assert cases(ended.stdout) == [
        ("set", "SET search_path TO shop", ["failure"]),
        ("set", "SET LOCAL a.b = 1", ["system-out"]),
    ]


def test_explain_as_json_has_a_version() -> None:
    ended = pinwatch("explain", "SELECT 1", "--format", "json")
    assert json.loads(ended.stdout)["version"] == 1


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("sql", "contested", "status"),
    [
        ("SELECT 1", "fail", 0),
        ("SET LOCAL a.b = 1", "report", 0),
        ("SET LOCAL a.b = 1", "fail", 1),
        ("SET a.b = 1", "report", 1),
        ("SET a.b = 1; selec 1", "report", 2),
        ("selec 1", "report", 2),
    ],
)
def test_the_status_of_explain(
    format: str, sql: str, contested: str, status: int
) -> None:
    arguments = ("--format", format, "--contested", contested)
    assert pinwatch("explain", sql, *arguments).returncode == status


def test_contested_findings_count_unless_they_are_reported_only() -> None:
    assert pinwatch("explain", "SET LOCAL a.b = 1").returncode == 1
    ended = pinwatch("explain", "SET LOCAL a.b = 1", *REPORTED)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == (
        "This pins, by the rules of rds-2023-11: 1 reason, contested (counted only "
        "with --contested fail)."
    )


@pytest.mark.parametrize(("contested", "status"), [("report", 0), ("fail", 1)])
def test_contested_lines(contested: str, status: int) -> None:
    given = b'{"sql": "SET LOCAL a.b = 1"}'
    command = ["explain", "--jsonl", "--contested", contested]
    ended = forks().run(command, environment(), given, 60)
    assert ended.returncode == status
    assert json.loads(ended.stdout)["pinned"] is True


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("github", "::error title=pinwatch explain::This could not be judged: "),
        ("sarif", '"executionSuccessful": false'),
        ("junit", '<error type="unreadable" message="This could not be judged: '),
    ],
)
def test_sql_that_cannot_be_judged_is_in_the_report(format: str, found: str) -> None:
    ended = pinwatch("explain", "selec 1", "--format", format)
    assert (ended.returncode, ended.stderr) == (2, "")
    assert found in ended.stdout


@pytest.mark.parametrize("format", FORMATS[2:])
def test_lines_have_one_format(format: str) -> None:
    ended = pinwatch("explain", "--jsonl", "--format", format)
    assert ended.returncode == 2
    assert ended.stderr == (
        "pinwatch: --jsonl reads standard input: it takes no SQL, no --database and no "
        "--format.\n"
    )


# check.


READ: Final[dict[str, Callable[[str], int]]] = {
    "text": lambda text: text.count("  = fix: "),
    "json": lambda text: len(json.loads(text)["pins"]),
    "sarif": lambda text: len(valid(text)["results"]),
    "github": lambda text: text.count("RDS Proxy pins"),
    "junit": lambda text: len(cases(text)),
}
"""The number of pins in the output, by format."""


def test_check_in_each_format(up: Up) -> None:
    contested = "SET LOCAL a.b = 1 /*file:app/jobs.rb:3*/"
    site = ("check", "--url", up.greeting["HTTP"])
    with sent(up, contested):
        for format, count in READ.items():
            ended = pinwatch(*site, "--format", format)
            assert (ended.returncode, count(ended.stdout)) == (0, 1), format
            ended = pinwatch(*site, "--format", format, "--contested", "fail")
            assert ended.returncode == 1, format
    with sent(up, "LISTEN jobs /*file:app/jobs.rb:42*/"):
        for format, count in READ.items():
            ended = pinwatch(*site, "--format", format)
            assert (ended.returncode, count(ended.stdout)) == (1, 2), format


def test_check_as_json(up: Up, tmp_path: Path) -> None:
    site = ("check", "--url", up.greeting["HTTP"], "--format", "json")
    baseline = str(tmp_path / "known.json")
    with sent(up, "LISTEN jobs_12", "SET LOCAL a.b = 1"):
        arguments = ("--baseline", baseline, "--update-baseline")
        assert pinwatch(*site, *arguments).returncode == 0
        with sent(up, "LISTEN jobs_13", "SET a.b = 1"):
            ended = pinwatch(*site, "--baseline", baseline)
    assert ended.returncode == 1
    document = json.loads(ended.stdout)
    assert document["version"] == 1
    assert document["outcomes"] == {"failed": 1, "contested": 1, "baseline": 2}
    assert [
        (one["rule"], one["digest"], one["outcome"], one["count"])
        for one in sorted(document["statements"], key=lambda one: str(one["digest"]))
    ] == [
        ("listen", "listen jobs_#", "baseline", 2),
        ("set", "set a.b = $1", "failed", 1),
        ("set", "set local a.b = $1", "contested", 1),
    ]
    assert len(document["pins"]) == 4
    assert document["pins"][0]["pinned_seconds"] >= 0


def test_check_writes_sarif_of_what_is_known(up: Up, tmp_path: Path) -> None:
    site = ("check", "--url", up.greeting["HTTP"])
    baseline = ("--baseline", str(tmp_path / "known.json"))
    with sent(up, "LISTEN jobs"):
        assert pinwatch(*site, *baseline, "--update-baseline").returncode == 0
        ended = pinwatch(*site, *baseline, "--format", "sarif")
    assert ended.returncode == 0
    (result,) = valid(ended.stdout)["results"]
    assert result["suppressions"] == [{"kind": "external"}]


# Both.


@pytest.mark.parametrize("command", ["explain", "check"])
@pytest.mark.parametrize("option", ["--format", "--contested"])
def test_a_value_that_does_not_exist(command: str, option: str) -> None:
    ended = pinwatch(command, option, "x")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"Invalid value for '{option}'" in ended.stderr
