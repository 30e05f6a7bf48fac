"""The baseline of findings in files: those that are known, and not reported.

Owns the matching by file, rule and digest, as often as the baseline counts them. Lines
do not matter, so that the text above a statement may change. Generated names and
numbers in digests are replaced.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from pinwatch.pins.alike import alike
from pinwatch.reports.baseline import read_pins, require_texts, write_pins
from pinwatch.reports.result import Level, Result
from pinwatch.text import STANDARD_INPUT


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A known statement, which the file has ``count`` times.

    The path of the file is relative to the folder of the baseline, with slashes.
    """

    file: str
    rule: str
    digest: str
    count: int = 1

    def __post_init__(self) -> None:
        require_texts(self, "file", "rule", "digest")
        if not isinstance(self.count, int):
            raise TypeError(f"count must be a whole number, not {self.count!r}")

    @property
    def key(self) -> "Key":
        return self.file, self.rule, alike(self.digest)


Key = tuple[str, str, str]


class KnownFindings:
    """The entries of a baseline in a folder."""

    def __init__(self, folder: Path, entries: Iterable[Entry] = ()) -> None:
        self._folder = folder
        self._counts = Counter[Key]()
        for entry in entries:
            self._counts[entry.key] += entry.count

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a baseline; raises SettingError."""
        return cls(file.parent, read_pins(file, Entry))

    def write(self, file: Path) -> None:
        """Write a baseline; raises SettingError."""
        write_pins(file, map(asdict, _entries(self._counts)))

    def marked(self, results: Iterable[Result]) -> list[Result]:
        """Return the results, with the known ones suppressed.

        If a file has a statement more often than the baseline, the last ones are new.
        """
        left = self._counts.copy()
        marked = []
        for result in results:
            key = self._key(result)
            if result.level is Level.ERROR and left[key] > 0:
                left[key] -= 1
                result = replace(result, level=Level.NOTE, suppression="external")
            marked.append(result)
        return marked

    def gone(self, results: Iterable[Result], read: Iterable[str]) -> list[Entry]:
        """Return the entries that the files no longer have, or have less often.

        ``count`` is the difference. ``results`` are all that were found in the files
        that were read, unmarked. Entries of a file that was not read are gone if it
        does not exist.
        """
        missing = self._counts - self._counted(results, Level.ERROR, Level.WARNING)
        settled = self._settled(read)
        return _entries({key: missing[key] for key in missing if key[0] in settled})

    def updated(self, results: Iterable[Result], read: Iterable[str]) -> Self:
        """Return a baseline of these results, and of what is known in other files."""
        settled = self._settled(read)
        kept = {key: n for key, n in self._counts.items() if key[0] not in settled}
        counts = self._counted(results, Level.ERROR) + Counter(kept)
        return type(self)(self._folder, _entries(counts))

    def _counted(self, results: Iterable[Result], *levels: Level) -> Counter[Key]:
        return Counter(self._key(one) for one in results if one.level in levels)

    def _settled(self, read: Iterable[str]) -> set[str]:
        """Return the files that were read, and those of entries that do not exist."""
        missing = {
            file
            for file, *_ in self._counts
            if file != STANDARD_INPUT and not (self._folder / file).exists()
        }
        return missing | {self._relative(name) for name in read}

    def _key(self, result: Result) -> Key:
        file = result.place.file if result.place else ""
        return (self._relative(file), *result.same_code)

    def _relative(self, name: str) -> str:
        """Return a file as entries have it; the name of standard input is empty."""
        if not name:
            return STANDARD_INPUT
        return Path(os.path.relpath(name, self._folder)).as_posix()


def _entries(counts: Mapping[Key, int]) -> list[Entry]:
    return sorted(Entry(*key, count) for key, count in counts.items())
