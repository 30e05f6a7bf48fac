"""docs/dependencies.md names what pyproject.toml requires, and nothing else."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def named(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.*?)` \|", section, re.MULTILINE)


def required(requirements: list[str]) -> list[str]:
    return [re.split(r"[\[>=;]", requirement)[0] for requirement in requirements]


def test_what_it_runs_on() -> None:
    assert named("To run") == required(PROJECT["project"]["dependencies"])


def test_what_the_extras_bring() -> None:
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items():
        assert named(f"Extra `{extra}`") == required(requirements)


def test_what_developing_takes() -> None:
    assert named("To develop") == required(PROJECT["dependency-groups"]["dev"])
