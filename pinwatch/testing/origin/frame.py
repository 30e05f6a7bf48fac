"""A line of the application's code.

Owns the rule by which files belong to the application, and their names. Installed
packages and commands, the standard library, pytest and pinwatch do not belong to it.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from os.path import normpath
from pathlib import Path
from types import FrameType
from typing import Final

from pinwatch.text import place

HERE: Final = str(Path(__file__).parents[2])  # the package pinwatch
INSTALLED: Final = ("site-packages", "dist-packages")
LIBRARIES: Final = tuple(
    path
    for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    if (path := sysconfig.get_path(name))
)

COMPILED: Final = (".pyx", ".pxd")
"""File names in frames of Cython, whose code is compiled."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A line in a function; ``file`` is relative to the working folder if inside it.

    Fields that tags do not contain are empty, or 0.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return place(self.file, self.line, self.function)


def application(frames: Iterable[FrameType]) -> Iterator[Frame]:
    """Yield the frames of the application in the given order."""
    for frame in frames:
        code = frame.f_code
        if is_application(code.co_filename):
            line = frame.f_lineno or code.co_firstlineno
            file = _shown(code.co_filename, os.getcwd())
            yield Frame(file, line, code.co_qualname)


@cache
def is_application(file: str) -> bool:
    """Return whether file is source that is not installed, Python's or pinwatch's."""
    path = Path(normpath(file))
    return (
        not file.startswith("<")
        and path.suffix not in COMPILED
        and not set(INSTALLED) & set(path.parts)
        and not any(path.is_relative_to(folder) for folder in (*LIBRARIES, HERE))
        and not path.is_relative_to(sys.base_prefix + "/lib")
    )


@cache
def _shown(file: str, folder: str) -> str:
    path = Path(file)
    inside = path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if inside else file
