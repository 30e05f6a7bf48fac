"""The application's line that sent a statement, from the tags in its comments.

Owns the keys of sqlcommenter, marginalia and OpenTelemetry that name code.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from pinwatch.text import place

LOCATION: Final = ("code.filepath", "code.file.path", "file", "source_location", "line")
LINE: Final = ("code.lineno", "code.line.number", "lineno", "line")
"""Keys of line numbers; ``line`` is a location in marginalia without a file."""
FUNCTION: Final = (
    "code.function",
    "code.function.name",
    "controller",
    "action",
    "route",
    "job",
)


class Source(NamedTuple):
    """A line in a function; what the tags do not have is empty, or 0."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return place(self.file, self.line) or self.function


def source(tags: Mapping[str, str]) -> Source:
    """Return the source by the tags.

    A file may include its line, ``orders.py:42``, and as Rails writes it the function,
    ``order.rb:42:in `place'``.
    """
    numbers = {key: value for key, value in tags.items() if value.isdecimal()}
    location = _first({k: v for k, v in tags.items() if k not in numbers}, LOCATION)
    location, _, function = location.partition(":in ")
    file, colon, line = location.rpartition(":")
    if not (colon and line.isdecimal()):
        file, line = location, _first(numbers, LINE) if location else ""
    function = function.strip("`'") or _first(tags, FUNCTION)
    return Source(file, int(line or 0), function)


def _first(tags: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((tags[key] for key in keys if tags.get(key)), "")
