"""The baseline of findings in files: counts by file, rule and digest."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from pinwatch.errors import SettingError
from pinwatch.reports.known import Entry, KnownFindings
from pinwatch.reports.result import Level, Place, Result
from tests.reports.results import RESULT


def found(
    file: Path | str, line: int, rule: str = "set", level: Level = Level.ERROR
) -> Result:
    return replace(RESULT, rule=rule, level=level, places=(Place(str(file), line),))


def lines(results: Iterable[Result]) -> list[int]:
    """Return the lines of what is not suppressed."""
    return [r.place.line for r in results if r.place and not r.suppression]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.sql").touch()
    return tmp_path / "a.sql"


def known(folder: Path, *results: Result, read: Iterable[str] = ()) -> KnownFindings:
    return KnownFindings(folder).updated(results, read)


def test_a_statement_that_moved_is_known(file: Path) -> None:
    baseline = known(file.parent, found(file, 3))
    assert lines(baseline.marked([found(file, 70)])) == []
    assert lines(baseline.marked([found(file, 3, "listen")])) == [3]
    assert lines(baseline.marked([found(file.with_name("b.sql"), 3)])) == [3]


def test_what_the_file_has_more_often_is_new(file: Path) -> None:
    baseline = known(file.parent, found(file, 1), found(file, 2))
    results = [found(file, line) for line in (1, 2, 3)]
    assert lines(baseline.marked(results)) == [3]
    assert baseline.gone(results, [str(file)]) == []


def test_what_the_file_has_less_often_is_gone(file: Path) -> None:
    baseline = known(file.parent, *(found(file, line) for line in (1, 2, 3)))
    (gone,) = baseline.gone([found(file, 2)], [str(file)])
    assert (gone.file, gone.rule, gone.count) == ("a.sql", "set", 2)


def test_files_that_were_not_read_are_not_gone(file: Path) -> None:
    baseline = known(file.parent, found(file, 1))
    assert baseline.gone([], []) == []
    assert lines(baseline.updated([], []).marked([found(file, 1)])) == []
    file.unlink()
    assert len(baseline.gone([], [])) == 1
    assert lines(baseline.updated([], []).marked([found(file, 1)])) == [1]


def test_standard_input_is_not_gone_while_it_is_not_read(tmp_path: Path) -> None:
    baseline = known(tmp_path, found("", 1))
    assert baseline.gone([], []) == []
    assert len(baseline.gone([], [""])) == 1


def test_only_what_counts_is_written(file: Path) -> None:
    shown, allowed = (
        found(file, 1, level=Level.WARNING),
        found(file, 2, level=Level.NOTE),
    )
    baseline = known(file.parent, shown, allowed)
    assert lines(baseline.marked([found(file, 1)])) == [1]


def test_a_contested_entry_is_not_gone_while_it_is_only_shown(file: Path) -> None:
    baseline = known(file.parent, found(file, 1))
    assert baseline.gone([found(file, 1, level=Level.WARNING)], [str(file)]) == []


def test_the_file_has_paths_relative_to_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "ci").mkdir()
    written = file.parent / "ci" / "pins.json"
    known(written.parent, found(file, 1), found(file, 2)).write(written)
    (entry,) = json.loads(written.read_text())["pins"]
    assert (entry["file"], entry["count"]) == ("../a.sql", 2)
    monkeypatch.chdir(file.parent)
    read = KnownFindings.read(Path("ci", "pins.json"))
    assert lines(read.marked([found("a.sql", 5), found("a.sql", 6)])) == []


def test_an_entry_without_a_count_is_one_statement(tmp_path: Path) -> None:
    baseline = KnownFindings(tmp_path, [Entry("-", "set", RESULT.digest)])
    assert lines(baseline.marked([found("", 1), found("", 2)])) == [2]


@pytest.mark.parametrize(
    "fields",
    [
        '"count": "2"',
        '"count": Infinity',
        '"file": null',
        '"rule": []',
        '"digest": 5',
        '"test": "a"',
        '"lines": []',
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, fields: str) -> None:
    file = tmp_path / "pins.json"
    entry = f'{{"file": "a", "rule": "set", "digest": "x", {fields}}}'
    file.write_text(f'{{"version": 1, "pins": [{entry}]}}')
    with pytest.raises(SettingError, match="is not a baseline that pinwatch wrote"):
        KnownFindings.read(file)


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    file = tmp_path / "pins.json"
    file.write_text("[" * 100_000)
    with pytest.raises(SettingError, match="wrote: RecursionError: "):
        KnownFindings.read(file)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_name_that_is_not_that_of_a_file(name: str) -> None:
    with pytest.raises(SettingError, match=r"\ACannot write .*not the name of a file"):
        KnownFindings(Path()).write(Path(name))
