"""Which subjects the command's options name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.__main__ import choose_subjects
from bench.install import Missing
from bench.subjects import Pinwatch


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The pinwatch of another environment."""
    program = tmp_path / "pinwatch"
    program.write_text("#!/bin/sh\necho pinwatch 9\n")
    program.chmod(0o755)
    return program


def test_one_that_has_a_name_stands_beside_ours(other: Path) -> None:
    ours, compiled = choose_subjects(["pinwatch"], None, [f"compiled={other}"])
    assert isinstance(ours, Pinwatch)
    assert ours.program[0] == sys.executable
    assert isinstance(compiled, Pinwatch)
    assert compiled.program == [other]
    assert (compiled.name, compiled.version) == ("compiled", "pinwatch 9")


def test_one_without_takes_the_place_of_ours(other: Path) -> None:
    direct, only = choose_subjects(["pinwatch", "direct"], None, [str(other)])
    assert (direct.name, only.name) == ("direct", "pinwatch")
    assert only.version == "pinwatch 9"


def test_what_is_no_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=f"{tmp_path} is not a program"):
        choose_subjects(["pinwatch"], None, [str(tmp_path)])


@pytest.mark.parametrize("name", ["direct", "pgbouncer"])
def test_a_name_that_is_taken_is_refused(name: str, other: Path) -> None:
    with pytest.raises(ValueError, match=name):
        choose_subjects(["pinwatch"], None, [f"{name}={other}"])


def test_a_subject_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no subject 'pgpool'"):
        choose_subjects(["pgpool"], None, [])
