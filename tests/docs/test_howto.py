"""The code of docs/howto is that of the examples, which have tests of their own."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted((ROOT / "docs" / "howto").glob("*.md"))
BLOCK: Final = re.compile(
    r"^```\w+\n(#|//) (?P<file>examples/\S+)\n(?P<code>.*?)^```$", re.M | re.S
)
LINK: Final = re.compile(r"\]\((?!http)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_code_is_in_the_example(page: Path) -> None:
    blocks = list(BLOCK.finditer(page.read_text()))
    assert blocks
    for block in blocks:
        assert lines(block["code"]) in lines((ROOT / block["file"]).read_text())


def lines(code: str) -> str:
    """Return the lines without their indentation, and without empty ones."""
    stripped = [line.strip() for line in code.splitlines()]
    return "\n".join(["", *filter(None, stripped), ""])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_links_to_is_there(page: Path) -> None:
    links = LINK.findall(page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_page_is_listed() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [p.name for p in PAGES if f"(docs/howto/{p.name})" not in readme] == []


def test_the_advice_for_rails_is_its_initializer() -> None:
    file = ROOT / "examples" / "rails" / "config" / "initializers" / "rds_proxy.rb"
    module = file.read_text().partition("\nmodule ")[2]
    assert f"module {module}" in (ROOT / "docs" / "rules" / "set.md").read_text()
