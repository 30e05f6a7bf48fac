"""Patterns of files that are left out, and of files in which rules may pin."""

from pathlib import Path

import pytest

from pinwatch.errors import SettingError
from pinwatch.lint.file_rules import FileRules


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("structure.sql", "db/structure.sql", True),
        ("migrations/", "db/migrations/1/up.sql", True),
        ("db/*.sql", "db/a.sql", True),
        ("db/*.sql", "db/x/a.sql", False),
        ("db/**", "db/x/a.sql", True),
        ("/a.sql", "db/a.sql", False),
    ],
)
def test_patterns_are_those_of_gitignore(
    tmp_path: Path, pattern: str, name: str, matches: bool
) -> None:
    file = str(tmp_path / name)
    rules = FileRules(tmp_path, [pattern], {pattern: ["set"]})
    assert rules.excludes(file) is matches
    assert rules.allowed(file) == ({"set"} if matches else set())


def test_the_rules_of_all_patterns_that_match_are_allowed(tmp_path: Path) -> None:
    rules = FileRules(
        tmp_path, [], {"db/": ["set"], "*.sql": ["listen"], "src/": ["load"]}
    )
    assert rules.allowed(str(tmp_path / "db" / "a.sql")) == {"set", "listen"}


def test_standard_input_has_no_path(tmp_path: Path) -> None:
    assert FileRules(tmp_path, [], {"*": ["set"]}).allowed("") == set()


@pytest.mark.parametrize(
    ("exclude", "allow", "sentence"),
    [
        (["!"], {}, "lint.exclude: Invalid git pattern: '!'"),
        ([], {"!": ["set"]}, "lint.allow: Invalid git pattern: '!'"),
        ([], {"a": ["sett"]}, 'lint.allow."a": sett is not a rule: did you mean set?'),
        ([], {"a": []}, 'lint.allow."a": Name the rules to allow: set, '),
    ],
)
def test_what_is_wrong(
    exclude: list[str], allow: dict[str, list[str]], sentence: str
) -> None:
    with pytest.raises(SettingError) as raised:
        FileRules(Path(), exclude, allow)
    assert str(raised.value).startswith(sentence)
