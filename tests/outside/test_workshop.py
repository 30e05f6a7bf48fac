"""The cache folder: steps are done once, and a missing registry is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from outside import commands, workshop
from outside.commands import Broken, Skipped
from outside.workshop import Workshop


@pytest.mark.parametrize(
    "log",
    [
        "Temporary failure resolving 'registry'",
        "E: Failed to fetch postgresql-15.dsc  404  Not Found [IP: 192.0.2.1 80]",
        "ERROR: No matching distribution found for asyncpg==0.0.1",
        "npm error code ETARGET\nnpm error notarget No matching version for pg@0.0.1.",
        "npm error code ENOTFOUND\nnpm error network request to registry failed",
        "go: m@v1.0.0: Get registry: dial tcp: lookup: no such host",
    ],
)
def test_a_registry_that_does_not_serve(log: str) -> None:
    assert workshop.unserved(log)


def test_a_failed_build_is_no_missing_registry() -> None:
    assert not workshop.unserved("error: command 'cc' failed with exit code 1")


def test_a_build_is_done_once_and_again_after_a_failure(tmp_path: Path) -> None:
    place = Workshop(tmp_path, lambda text: None)
    done: list[Path] = []

    def fail(folder: Path) -> None:
        done.append(folder)
        raise Broken("no")

    with pytest.raises(Broken):
        place.once("thing", fail)
    assert place.once("thing", done.append) == place.once("thing", done.append)
    assert len(done) == 2


def test_a_suite_without_a_registry_needs_a_checkout(tmp_path: Path) -> None:
    without = Workshop(tmp_path, lambda text: None)
    with pytest.raises(Skipped, match="make outside SUITE=psycopg SOURCE=FOLDER"):
        without.checkout("psycopg", "psycopg")
    several = Workshop(tmp_path, lambda text: None, source=tmp_path)
    with pytest.raises(Skipped, match="no checkout of psycopg"):
        several.checkout("psycopg", "psycopg")
    (tmp_path / "psycopg").mkdir()
    assert several.checkout("psycopg", "psycopg") == tmp_path / "psycopg"
    only = Workshop(tmp_path, lambda text: None, source=tmp_path, alone=True)
    assert only.checkout("psycopg", "psycopg") == tmp_path


def test_a_command_is_killed_with_its_children_after_the_timeout(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    script = "echo begun; sleep 60 & wait"
    assert commands.run(["sh", "-c", script], log=log, timeout=0.5) is None
    assert log.read_text() == "begun\n"


def test_a_command_that_must_succeed_quotes_its_log(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="exit status 3: no space"):
        commands.must(["sh", "-c", "echo no space; exit 3"], log=tmp_path / "log")
