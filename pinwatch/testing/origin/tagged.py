"""The application's line from the tags in a statement's comment.

Owns the keys of sqlcommenter and marginalia that name code. Clients outside of this
process are found only by tags.
"""

from collections.abc import Mapping
from typing import Final

from pinwatch.testing.origin.frame import Frame

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


def tagged(tags: Mapping[str, str]) -> tuple[Frame, ...]:
    """Return one frame, or none; a file may include its line, ``orders.py:42``.

    Without a file the frame has the function only.
    """
    numbers = {key: value for key, value in tags.items() if value.isdecimal()}
    location = _first({k: v for k, v in tags.items() if k not in numbers}, LOCATION)
    function = _first(tags, FUNCTION)
    if not location:
        return (Frame("", 0, function),) if function else ()
    file, colon, line = location.rpartition(":")
    if not (colon and line.isdecimal()):
        file, line = location, _first(numbers, LINE)
    return (Frame(file, int(line or 0), function),)


def _first(tags: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((tags[key] for key in keys if tags.get(key)), "")
