"""The application's line from tags in a statement's comment.

Owns which keys of sqlcommenter and of marginalia tell of code. What is out of this
process can be found in no other way.
"""

from collections.abc import Mapping
from typing import Final

from pinwatch.origin.frame import Frame

LOCATION: Final = ("code.filepath", "code.file.path", "file", "source_location", "line")
LINE: Final = ("code.lineno", "code.line.number", "lineno")
FUNCTION: Final = (
    "code.function",
    "code.function.name",
    "controller",
    "action",
    "route",
    "job",
)


def tagged(tags: Mapping[str, str]) -> tuple[Frame, ...]:
    """One frame, or none; a file may come with its line, ``orders.py:42``."""
    location = _first(tags, LOCATION)
    if not location:
        return ()
    file, colon, line = location.rpartition(":")
    if not (colon and line.isdecimal()):
        file, line = location, _first(tags, LINE)
    return (
        Frame(
            file,
            int(line) if line.isdecimal() else 0,
            _first(tags, FUNCTION),
        ),
    )


def _first(tags: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((tags[key] for key in keys if tags.get(key)), "")
