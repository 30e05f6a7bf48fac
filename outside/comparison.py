"""Compare outcomes with the direct ones, and judge the differences by the list."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from outside.modes import MODES
from outside.outcomes import MISSING, PASSED, SKIPPED, Outcomes

FILE: Final = Path(__file__).parents[1] / "tests" / "outside" / "differences.toml"

UNSTABLE_TESTS: Final = 5
UNSTABLE_SHARE: Final = 0.03
"""Unstable tests of a suite that do not fail the run: this many, or this share."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A test with its direct outcome and the one through a proxy."""

    test: str
    direct: str
    proxied: str

    def __str__(self) -> str:
        return f"{self.test}: {self.direct} directly, {self.proxied} through pinwatch"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the list: tests of a suite that differ for one reason.

    ``rule`` is text of docs/behaviour.md, ``note`` says how it affects the tests. A
    test is a name or a pattern with ``*``; other special characters have no meaning.
    """

    suite: str
    rule: str
    tests: tuple[str, ...]
    note: str
    direct: str = PASSED
    proxied: str = "failed"
    modes: tuple[str, ...] = MODES
    sometimes: bool = False
    """True if the tests may also be equal, depending on time or chance."""

    def names(self, test: str) -> bool:
        """Return True if the entry has this test."""
        return any(matches(pattern, test) for pattern in self.tests)

    def explains(self, difference: Difference) -> bool:
        """Return True if the entry has this test with these outcomes."""
        outcomes = (self.direct, self.proxied)
        same = outcomes == (difference.direct, difference.proxied)
        return same and self.names(difference.test)


@dataclass(slots=True)
class Verdict:
    """The comparison of one mode with the direct run.

    ``listed`` counts the differences by the rule that explains them. ``unlisted`` and
    ``gone`` fail the run: differences without an entry, and tests of an entry that do
    not differ, or patterns that match no test.
    """

    tests: int = 0
    passed: int = 0
    skipped: int = 0
    equal: int = 0
    listed: Counter[str] = field(default_factory=Counter)
    unlisted: list[Difference] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)

    @property
    def expected(self) -> bool:
        """True if nothing fails the run."""
        return not self.unlisted and not self.gone and not self.too_unstable

    @property
    def too_unstable(self) -> bool:
        """True if a run probably ended early: too many tests are unstable."""
        return len(self.unstable) > max(UNSTABLE_TESTS, UNSTABLE_SHARE * self.tests)


def matches(pattern: str, test: str) -> bool:
    """Return True if a test's name matches a pattern, in which only * is special."""
    return fnmatchcase(test, pattern.replace("[", "[[]").replace("?", "[?]"))


def compare(direct: Outcomes, proxied: Outcomes) -> list[Difference]:
    """Return the tests whose outcomes differ, in the order of their names."""
    return [
        Difference(test, direct.get(test, MISSING), proxied.get(test, MISSING))
        for test in sorted(direct.keys() | proxied.keys())
        if direct.get(test) != proxied.get(test)
    ]


def unstable(runs: Sequence[Outcomes]) -> set[str]:
    """Return the tests whose outcome changes between runs of the same mode."""
    first, *others = runs
    return {d.test for other in others for d in compare(first, other)}


def judge(
    entries: Iterable[Entry],
    mode: str,
    direct: Sequence[Outcomes],
    proxied: Sequence[Outcomes],
    complete: bool,
) -> Verdict:
    """Judge one or more runs of a mode, and as many direct ones.

    Unstable tests are not judged. ``complete`` says that all tests of the suite ran,
    so that an entry without any of them is outdated.
    """
    changing = unstable(direct) | unstable(proxied)
    names = direct[0].keys() | proxied[0].keys()
    verdict = Verdict(
        tests=len(names),
        passed=sum(outcome == PASSED for outcome in direct[0].values()),
        skipped=sum(outcome == SKIPPED for outcome in direct[0].values()),
        unstable=sorted(changing),
    )
    differences = [d for d in compare(direct[0], proxied[0]) if d.test not in changing]
    valid = [entry for entry in entries if mode in entry.modes]
    for difference in differences:
        entry = next((e for e in valid if e.explains(difference)), None)
        if entry is None:
            verdict.unlisted.append(difference)
        else:
            verdict.listed[entry.rule] += 1
    different = {difference.test for difference in differences}
    verdict.gone = list(_gone(valid, names, different | changing, complete))
    verdict.equal = len(names - different - changing)
    return verdict


def _gone(
    entries: Iterable[Entry], names: Iterable[str], different: set[str], complete: bool
) -> Iterable[str]:
    """Yield a sentence for each listed test that does not differ."""
    ran = sorted(names)
    for entry in entries:
        if entry.sometimes:
            continue
        for pattern in entry.tests:
            matched = [test for test in ran if matches(pattern, test)]
            if complete and not matched:
                yield f"{pattern} is listed, but the suite has no such test"
            for test in matched:
                if test not in different:
                    yield f"{test} is listed, but no longer differs"


def read(path: Path = FILE) -> list[Entry]:
    """Read the list of differences. Raises ValueError with the reason."""
    try:
        data = tomllib.loads(path.read_text())
        entries = [_entry(table) for table in data.pop("difference", [])]
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    if data:
        raise ValueError(f"{path}: unknown key {min(data)}")
    return entries


def of_suite(entries: Iterable[Entry], suite: str) -> list[Entry]:
    """Return the entries of one suite."""
    return [entry for entry in entries if entry.suite == suite]


def _entry(table: Mapping[str, Any]) -> Entry:
    known = {entry_field.name for entry_field in fields(Entry)}
    if unknown := table.keys() - known:
        raise ValueError(f"unknown key {min(unknown)} of a difference")
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in table.items()
    }
    entry = Entry(**values)
    if wrong := set(entry.modes) - set(MODES):
        raise ValueError(f"unknown mode {min(wrong)}")
    return entry
