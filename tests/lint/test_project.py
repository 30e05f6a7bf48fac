"""The path of a file within its project."""

import os
from pathlib import Path

import pytest

from pinwatch.lint.project import MARKS, project_path


@pytest.mark.parametrize("mark", MARKS)
def test_it_begins_below_the_nearest_mark(tmp_path: Path, mark: str) -> None:
    for folder in ("migrations", "migrations/shop"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / mark).touch()
    assert project_path(str(tmp_path / "migrations/shop/db/a.sql")) == "db/a.sql"


def test_it_is_absolute_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_path(f"db{os.sep}a.sql") == (tmp_path / "db" / "a.sql").as_posix()


def test_standard_input_has_none() -> None:
    assert project_path("") == ""
