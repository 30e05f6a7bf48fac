"""Packages of npm, and node-postgres in a process of Node's."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

PACKAGE: Final = "pg@8"
NPM_PATIENCE: Final = 300  # seconds; the first installation downloads the packages
PATIENCE: Final = 120  # seconds for a program to end
PROGRAM: Final = Path(__file__).with_name("client.js")
UNREACHABLE: Final = re.compile(
    r"npm error code (?:ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT)"
)


def npm() -> str | None:
    return shutil.which("npm")


def version() -> tuple[int, ...]:
    """Return the version of Node."""
    printed = subprocess.check_output(["node", "--version"], text=True)
    return tuple(map(int, printed.lstrip("v").split(".")))


def install(folder: Path) -> None:
    """Put node-postgres, and the program, into folder."""
    install_packages(folder, PACKAGE)
    shutil.copy(PROGRAM, folder)


def install_packages(folder: Path, *packages: str) -> None:
    """Install packages, or what folder's package.json names, without their scripts.

    npm takes what it has in its cache. Skip the test if the registry does not answer.
    """
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    options = ["--ignore-scripts", "--prefer-offline", *quiet]
    done = subprocess.run(
        [npm() or "npm", "install", *options, *packages],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        timeout=NPM_PATIENCE,
    )
    if found := UNREACHABLE.search(done.stderr):
        pytest.skip(f"the npm registry cannot be reached: {found[0]}")
    assert done.returncode == 0, done.stderr


@contextmanager
def answers(folder: Path, login: dict[str, Any], queries: list[Any]) -> Iterator[Any]:
    """The rows of each query, or the error; the client stays until exit."""
    with subprocess.Popen(
        ["node", folder / PROGRAM.name, json.dumps(login), json.dumps(queries)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0
