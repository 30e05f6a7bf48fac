"""The walk of docs/production.md, from a log to a failing test, as it is printed."""

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.testing.conftest import Run

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "production.md").read_text()
WALK: Final = PAGE.split("## From a log to a failing test", 1)[1].split("\n## ", 1)[0]
STEP: Final = re.compile(r"^\$ (?P<command>.+)\n(?P<output>(?:(?!\$ ).*\n)*)", re.M)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", WALK, re.M | re.S)
    return str(found)


def printed(output: str) -> list[str]:
    """Return the lines that a step must print, without the marks of omissions."""
    lines = [line for line in output.splitlines() if line != "..."]
    assert lines
    return [re.sub(r"([\[\]*?])", r"[\1]", line) for line in lines]


def test_the_commands_print_what_the_page_shows(
    run: Run, pytester: pytest.Pytester
) -> None:
    shutil.copytree(ROOT / "examples" / "sqlalchemy", pytester.path, dirs_exist_ok=True)
    (pytester.path / "proxy.log").write_text(block("text"))
    report, tests = STEP.finditer(block("console"))
    program, *arguments = shlex.split(report["command"])
    assert program == "pinwatch"
    ended = pytester.run(sys.executable, "-m", program, *arguments)
    pytest.LineMatcher([*ended.outlines, *ended.errlines]).fnmatch_lines(
        printed(report["output"])
    )
    program, *arguments = shlex.split(tests["command"])
    assert program == "pytest"
    result = run(*arguments, every=True)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(printed(tests["output"]))
