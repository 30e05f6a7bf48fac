"""The lines of a text log, joined to entries: log viewers and people wrap lines."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

MAX_ENTRY: Final = 65_536  # bytes of an entry; the rest of a longer one is dropped


def entries(lines: Iterable[bytes], start: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield entries: a line that start matches, with the lines up to the next one.

    Lines of an entry are joined by newlines.
    """
    entry: list[bytes] = []
    size = 0
    for line in lines:
        if start.search(line) and entry:
            yield b"\n".join(entry)
            entry.clear()
            size = 0
        if size < MAX_ENTRY:
            entry.append(line.rstrip(b"\r\n"))
            size += len(line)
    if entry:
        yield b"\n".join(entry)
