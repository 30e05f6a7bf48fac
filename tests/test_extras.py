import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from pinwatch import extras
from pinwatch.extras import install_command

ROOT: Final = Path(__file__).parents[1]
EXTRAS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
PAGES: Final = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_are_those_of_the_project(extra: str) -> None:
    assert list(getattr(extras, extra.upper())) == EXTRAS[extra]


def test_the_command_can_be_pasted() -> None:
    words = shlex.split(install_command(extras.EMBEDDED))
    assert words == [sys.executable, "-m", "pip", "install", *extras.EMBEDDED]


def test_pip_understands_the_command() -> None:
    command = install_command(extras.AWS + extras.EMBEDDED + extras.TESTCONTAINERS)
    subprocess.run(f"{command} --dry-run --no-index --quiet", shell=True, check=True)


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_command_of_the_documentation_has_the_extra(extra: str) -> None:
    commands = re.findall(r"pip install [^\n]*\[([a-z,]+)\]", _text())
    assert extra in ",".join(commands).split(",")


def test_no_text_installs_an_extra_of_a_package_that_no_index_has() -> None:
    """A path or a URL must come with it."""
    sources = [path.read_text() for path in (ROOT / "pinwatch").rglob("*.py")]
    texts = "\n".join([_text(), *sources])
    assert re.findall(r"install '?pinwatch\[[a-z,]+\]'?(?! @)", texts) == []


def _text() -> str:
    return "\n".join(page.read_text() for page in PAGES)
