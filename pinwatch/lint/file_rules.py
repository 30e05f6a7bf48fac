"""The files that the configuration leaves out, and the rules that it allows in files.

Patterns are those of ``.gitignore``, relative to the folder of the configuration.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from pinwatch.errors import SettingError
from pinwatch.pins.names import check_rules


class FileRules:
    """The patterns of a configuration whose file is in ``root``; raises SettingError.

    ``allow`` has the rules that may pin, by pattern.
    """

    def __init__(
        self, root: Path, exclude: Iterable[str], allow: Mapping[str, Sequence[str]]
    ) -> None:
        self._root = root
        self._excluded = _spec("lint.exclude", exclude)
        self._allowed = [
            (_spec("lint.allow", [pattern]), rules) for pattern, rules in allow.items()
        ]
        for pattern, rules in allow.items():
            _check(pattern, rules)

    def excludes(self, name: str) -> bool:
        """Return True if the file is left out."""
        return self._excluded.match_file(self._relative(name))

    def allowed(self, name: str) -> frozenset[str]:
        """Return the rules that may pin in the file."""
        relative = self._relative(name)
        return frozenset(
            rule
            for spec, rules in self._allowed
            if spec.match_file(relative)
            for rule in rules
        )

    def _relative(self, name: str) -> str:
        return os.path.relpath(name, self._root) if name else ""


def _check(pattern: str, rules: Sequence[str]) -> None:
    try:
        check_rules(rules)
    except SettingError as error:
        raise SettingError(f'lint.allow."{pattern}": {error}') from None


def _spec(setting: str, patterns: Iterable[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise SettingError(f"{setting}: {error}.") from None
