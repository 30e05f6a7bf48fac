"""The path of a file within its project, which does not depend on how it is typed."""

import os
from pathlib import Path
from typing import Final

MARKS: Final = (".git", "pinwatch.toml")
"""Names that the folder of a project has, one of them at least."""


def project_path(name: str) -> str:
    """Return the path below the nearest folder of a project, with slashes.

    Return the absolute path of a file without a project, and an empty name as it is.
    """
    if not name:
        return ""
    path = Path(os.path.abspath(name))
    for folder in path.parents:
        if any(os.path.exists(folder / mark) for mark in MARKS):
            return path.relative_to(folder).as_posix()
    return path.as_posix()
