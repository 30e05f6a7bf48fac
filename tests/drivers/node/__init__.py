"""node-postgres, in a process of Node's."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "pg@8"
PATIENCE: Final = 120  # seconds for npm, and for a program to end
PROGRAM: Final = Path(__file__).with_name("client.js")


def npm() -> str | None:
    return shutil.which("npm")


def install(folder: Path) -> None:
    """Put node-postgres, and the program, into folder."""
    command = [npm() or "npm", "install", "--no-audit", "--no-fund", "--silent"]
    subprocess.run([*command, PACKAGE], cwd=folder, check=True, timeout=PATIENCE)
    shutil.copy(PROGRAM, folder)


@contextmanager
def answers(folder: Path, login: dict[str, Any], queries: list[Any]) -> Iterator[Any]:
    """The rows of each query, or the error; the client stays until exit."""
    with subprocess.Popen(
        ["node", folder / PROGRAM.name, json.dumps(login), json.dumps(queries)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0
