"""The rule by which files belong to the application."""

import json
from os.path import relpath
from pathlib import Path
from sysconfig import get_path

import psycopg
import pytest

import pinwatch
from pinwatch.clock import __file__ as clock
from pinwatch.testing.origin.frame import __file__ as frame
from pinwatch.testing.origin.frame import is_application


@pytest.mark.parametrize(
    "file",
    [pinwatch.__file__, clock, frame, json.__file__, psycopg.__file__, "<string>"],
)
def test_libraries_and_pinwatch_do_not_belong_to_it(file: str) -> None:
    assert not is_application(file)


def test_the_command_that_runs_the_tests_does_not_belong_to_it() -> None:
    """Python keeps the path as it was typed, after the working folder."""
    command = Path(get_path("scripts")) / "pytest"
    assert not is_application(str(command))
    assert not is_application(str(Path.cwd() / relpath(command)))


def test_other_files_belong_to_it() -> None:
    assert is_application(__file__)
    assert is_application("/srv/pinwatch/shop/orders.py")
