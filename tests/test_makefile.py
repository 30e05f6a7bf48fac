"""The environments that the Makefile creates, with stand-ins for Python and pip.

The real ones need a network, and minutes.
"""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = """#!/bin/sh
# python -m venv FOLDER: programs that append their names and arguments to a file.
mkdir -p "$3/bin"
for name in pip pinwatch python; do
    printf '#!/bin/sh\\necho %s "$@" >>"%s"\\n' $name "$3/../calls" >"$3/bin/$name"
    chmod +x "$3/bin/$name"
done
"""
RUNNING: Final = "pip install --quiet --editable .[embedded]"
WHOLE: Final = f"{RUNNING} --group dev"


class Checkout:
    """A folder with the Makefile, in which commands are only noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
        (folder / "pyproject.toml").touch()
        (folder / "python").write_text(PYTHON)
        (folder / "python").chmod(0o755)

    def make(self, *arguments: str) -> list[str]:
        """Run make; return the commands of the environment that it ran."""
        self.output = subprocess.check_output(
            ["make", "PYTHON=./python", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]},  # none of a make that runs the tests
            text=True,
        )
        calls = self.folder / "calls"
        ran = calls.read_text().splitlines()
        calls.unlink()
        return [call for call in ran if "--upgrade" not in call]

    def change_requirements(self) -> None:
        for stamp in (self.folder / ".venv").glob(".*"):
            os.utime(stamp, (0, 0))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_up_installs_what_running_needs_and_says_so(checkout: Checkout) -> None:
    assert checkout.make("up") == [RUNNING, "pinwatch up"]
    first = checkout.output.splitlines()[0]
    assert first.startswith("Installing pinwatch and its embedded PostgreSQL in .venv")
    assert "200 MB" in first
    assert checkout.make("up", "ARGS=--http off") == ["pinwatch up --http off"]
    assert "Installing" not in checkout.output


def test_the_tests_install_the_rest_after_up(checkout: Checkout) -> None:
    checkout.make("up")
    tests = "python -m pytest -n 7"
    assert checkout.make("test", "WORKERS=7") == [WHOLE, tests]
    assert "Installing the development environment in .venv" in checkout.output
    assert checkout.make("test", "WORKERS=7") == [tests]


def test_up_keeps_the_development_environment(checkout: Checkout) -> None:
    assert checkout.make("venv") == [WHOLE]
    assert checkout.make("up") == ["pinwatch up"]
    checkout.change_requirements()
    assert checkout.make("up") == [WHOLE, "pinwatch up"]


def test_changed_requirements_are_installed(checkout: Checkout) -> None:
    checkout.make("up")
    checkout.change_requirements()
    assert checkout.make("up") == [RUNNING, "pinwatch up"]
