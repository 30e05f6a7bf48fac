"""``python -m bench.soak.inside REPORT up ...``: pinwatch, which reports on itself.

On SIGUSR1 it writes a JSON document to the file REPORT: its asyncio tasks, and how many
objects of its own types are alive. With PINWATCH_SOAK_TRACE=1 it also traces memory,
and writes the allocations that grew since the first report to REPORT.growth.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import platform
import signal
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import ClassVar, Final

TRACE: Final = "PINWATCH_SOAK_TRACE"
LINES: Final = 60
MALLOC: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)

_first: list[tracemalloc.Snapshot] = []


def report(path: Path) -> None:
    """Write the report; another process reads it when it is there."""
    gc.collect()
    found = {"tasks": tasks(), "objects": objects(), "memory": memory()}
    if tracemalloc.is_tracing():
        trace(path.with_suffix(".growth"))
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(found, indent=1))
    draft.replace(path)


def tasks() -> list[str]:
    """Return the names of the coroutines that the tasks of the loop run."""
    names = (getattr(t.get_coro(), "__qualname__", "?") for t in asyncio.all_tasks())
    return sorted(names)


def objects() -> dict[str, int]:
    """Return the number of objects of each type that pinwatch defines."""
    types = Counter(type(found) for found in gc.get_objects())
    return {
        f"{kind.__module__}.{kind.__qualname__}": many
        for kind, many in sorted(types.items(), key=lambda item: str(item[0]))
        if str(kind.__module__).startswith("pinwatch.")
    }


def memory() -> dict[str, int]:
    """Return the blocks of Python's allocator, and the bytes of the C library's."""
    found = {"blocks": sys.getallocatedblocks()}
    if platform.libc_ver()[0] == "glibc":
        mallinfo2 = ctypes.CDLL(None).mallinfo2
        mallinfo2.restype = Malloc
        now = mallinfo2()
        found |= {name: getattr(now, name) for name in MALLOC}
    return found


class Malloc(ctypes.Structure):
    """mallinfo2(3): arena and hblkhd are from the system, uordblks of it in use."""

    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in MALLOC]


def trace(path: Path) -> None:
    """Write the lines whose allocations have grown since the first report."""
    now = tracemalloc.take_snapshot()
    if not _first:
        _first.append(now)
        return
    traced, peak = tracemalloc.get_traced_memory()
    lines = [f"traced {traced:,} bytes, peak {peak:,}"]
    for grown in now.compare_to(_first[0], "lineno")[:LINES]:
        lines.append(str(grown))
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    path = Path(sys.argv.pop(1))
    if os.environ.get(TRACE):
        tracemalloc.start()
    signal.signal(signal.SIGUSR1, lambda *_: report(path))
    from pinwatch.cli import main as pinwatch

    pinwatch()


if __name__ == "__main__":
    main()
