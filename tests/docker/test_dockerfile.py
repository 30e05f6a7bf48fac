"""The files that the image is built from exist, and build the wheel."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
from dockerfile_parse import DockerfileParser

from tests.docker.compose import FOLDER, ROOT

IGNORED: Final = (ROOT / ".dockerignore").read_text().splitlines()
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.skipif(
    not (ROOT / "pinwatch").exists(),
    reason="the compiled build has no sources beside it",
)


@pytest.fixture(scope="module")
def parser() -> Any:
    return DockerfileParser(str(FOLDER / "Dockerfile"), env_replace=False)


def values(parser: Any, instruction: str) -> list[str]:
    return [
        line["value"] for line in parser.structure if line["instruction"] == instruction
    ]


def copied(parser: Any) -> list[str]:
    """Return the sources that COPY names, as written."""
    copies = (value.split() for value in values(parser, "COPY"))
    return [
        source
        for words in copies
        if not words[0].startswith("--from")
        for source in words[:-1]
    ]


def test_what_it_copies_is_sent_to_the_builder(parser: Any) -> None:
    allowed = {line[1:] for line in IGNORED if line.startswith("!")}
    assert "*" in IGNORED
    assert set(copied(parser)) == allowed
    assert [name for name in allowed if not (ROOT / name).exists()] == []


def test_that_makes_the_wheel(parser: Any, tmp_path: Path) -> None:
    for name in copied(parser):
        to = tmp_path / name
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, to, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            to.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, to)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*wheel, "--wheel-dir", "wheels", "."], cwd=tmp_path, check=True)
    (built,) = (tmp_path / "wheels").glob("pinwatch-*.whl")
    names = ZipFile(built).namelist()
    modules = [p.relative_to(ROOT) for p in (ROOT / "pinwatch").rglob("*.py")]
    assert [str(module) for module in modules if str(module) not in names] == []


def test_both_stages_have_the_same_python(parser: Any) -> None:
    building, running = (value.split()[0] for value in values(parser, "FROM"))
    assert running.replace("-slim", "") == building
    minimum = PROJECT["requires-python"].removeprefix(">=")
    assert fnmatch(running, f"python:{minimum}.*-slim-*")


def test_it_has_the_compiled_build(parser: Any) -> None:
    """Which takes a compiler: a slim image has none, the others have."""
    (building, *_) = values(parser, "FROM")
    assert "slim" not in building
    (wheel, *_) = values(parser, "RUN")
    assert wheel.startswith("PINWATCH_COMPILE=1 pip wheel ")


def test_it_does_not_run_as_root(parser: Any) -> None:
    (user,) = values(parser, "USER")
    (created,) = [run for run in values(parser, "RUN") if "useradd" in run]
    assert f"--uid {user}" in created
    assert int(user) > 0


def test_its_command_is_that_of_the_wheel(parser: Any) -> None:
    (entrypoint,) = values(parser, "ENTRYPOINT")
    (command,) = values(parser, "CMD")
    assert entrypoint == json.dumps([*PROJECT["scripts"]])
    assert command == '["up"]'


def test_its_health_is_not_judged_while_it_waits_for_a_target(parser: Any) -> None:
    variables = " ".join(values(parser, "ENV"))
    (healthcheck,) = values(parser, "HEALTHCHECK")
    seconds = re.search(r"PINWATCH_WAIT=(\d+)", variables)
    period = re.search(r"--start-period=(\d+)s", healthcheck)
    assert seconds is not None
    assert period is not None
    assert int(seconds[1]) == 60 < int(period[1])
