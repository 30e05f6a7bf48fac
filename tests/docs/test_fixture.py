"""docs/fixture.md names every option of the plugin, and every fixture."""

import inspect
import re
from pathlib import Path

import pytest

from pinwatch.testing.plugin import hooks as plugin
from pinwatch.testing.plugin import options

PAGE = (Path(__file__).parents[2] / "docs" / "fixture.md").read_text()


def test_every_option_is_there() -> None:
    named = set(re.findall(r"--pinwatch[a-z-]*", PAGE))
    assert named == set(
        re.findall(r'"(--pinwatch[a-z-]*)"', inspect.getsource(options))
    )


@pytest.mark.parametrize("name", [n for n in vars(plugin) if n.startswith("pinwatch_")])
def test_every_fixture_is_there(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)
