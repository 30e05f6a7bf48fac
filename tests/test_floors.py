"""The house as docs/architecture.md draws it: imports go strictly down."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
FLOORS: Final = (
    {"clock", "counters", "errors", "events", "extras", "text"},
    {"config", "version", "wire"},
    {"auth", "infrastructure", "pins", "tls"},
    {"hidden", "lint", "pool", "production", "reports"},
    {"sockets"},
    {"relay"},
    {"targets"},
    {"proxy"},
    {"metrics"},
    {"embedded", "observers"},
    {"web"},
    {"testing"},
    {"testcontainers"},
    {"cli"},
    {"__main__"},
)
"""Folders and modules of the package, from the ground up; those on one floor do not
import each other. docs/architecture.md prints the same tuple."""

WITHOUT_A_LOOP: Final = {"wire", "config", "auth", "pins", "tls", "pool", "relay"}
"""Folders that never import an event loop or a socket. Secrets and tokens are read in
threads, and the relay receives bytes by plain calls."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "pinwatch").rglob("*.py")):
        parts = path.relative_to(ROOT / "pinwatch").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield name, path


MODULES: Final = dict(modules())

pytestmark = pytest.mark.skipif(
    not MODULES, reason="the compiled build has no sources beside it"
)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imports(module: str) -> Iterator[str]:
    """Yield all imports, including those within functions."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            assert node.module is not None
            if node.module == "pinwatch":
                yield from (f"pinwatch.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room(module: str) -> str:
    return module.split(".")[0]


def floor(name: str) -> int:
    (found,) = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    return found


def test_the_architecture_page_prints_the_same_floors() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = page.split("## Floors", 1)[1].split("```")[1].strip().splitlines()
    names = [re.split(r"\s{2,}", line.strip())[0] for line in drawn]
    assert tuple(set(line.split(", ")) for line in reversed(names)) == FLOORS


def test_every_room_has_its_floor() -> None:
    assert {room(name) for name in MODULES} == set().union(*FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    here = room(module)
    for name in imports(module):
        package, _, imported = name.partition(".")
        if package == "pinwatch" and imported not in ("", "__version__"):
            there = room(imported)
            assert there == here or floor(there) < floor(here), name


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room(name) in WITHOUT_A_LOOP]
)
def test_the_core_imports_no_loop_and_no_socket(module: str) -> None:
    known = {name.split(".")[0] for name in imports(module)}
    assert known.isdisjoint({"asyncio", "socket", "uvloop"})


def test_pins_know_the_parser_alone() -> None:
    known: set[str] = set()
    for name in MODULES:
        if room(name) == "pins":
            known |= {imported.split(".")[0] for imported in imports(name)}
    assert known.isdisjoint({"ssl", "http", "urllib3", "starlette", "cryptography"})
    assert {"pglast", "pinwatch"} <= known


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert not tree(module).body or ast.get_docstring(tree(module))
