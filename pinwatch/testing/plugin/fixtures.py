"""Fixtures that live longer than a test, as reports name them.

Such a fixture begins with the test that first uses it and ends with the one that
happens to be last, and its pins belong to neither.
"""

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self, cast

import pytest

FUNCTION: Final = "function"
OF_PYTEST: Final = re.compile(r"_(?:xunit|unittest)_(?P<name>[a-zA-Z_]+)_fixture_")
"""The name of a fixture that pytest makes of setup_module, setUpClass and others."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """A fixture of a class, module, package or session; ``id`` is like a test's."""

    id: str
    name: str
    scope: str

    @classmethod
    def of(cls, fixture: pytest.FixtureDef[Any], node: Any, root: Path) -> Self | None:
        """Return the fixture; None if its scope is one test. Node is its scope's."""
        if fixture.scope == FUNCTION:
            return None
        made = OF_PYTEST.match(fixture.argname)
        if made:
            name = made["name"]
            return cls(f"{node.nodeid}::{name}", name, fixture.scope)
        name = fixture.argname
        return cls(f"{_file(fixture.func, root)}::{name}", name, fixture.scope)


def _file(function: object, root: Path) -> str:
    """Return the file that defines a function, or its module if it is installed."""
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(function, "__code__", None)
    file = Path(code.co_filename) if code is not None else root.parent
    if file.is_relative_to(root):
        return file.relative_to(root).as_posix()
    return str(getattr(function, "__module__", "fixture"))


class Failure:
    """A failure text for pytest, whose summary shows only the first line.

    The summary shows a plain text whole where the variable CI is set.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.reprcrash = SimpleNamespace(message=text.partition("\n")[0])

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer: Any) -> None:
        for line in self.text.splitlines():
            writer.line(line)


def failed_report(id: str, scope: str, text: str) -> pytest.TestReport:
    """Return a report of an error at the setup of a fixture."""
    file, _, name = id.partition("::")
    return pytest.TestReport(
        nodeid=id,
        location=(file, None, f"{scope} fixture {name}"),
        keywords={},
        outcome="failed",
        longrepr=cast(Any, Failure(text)),
        when="setup",
    )
