"""docs/behaviour.md speaks of every rule, and its sources are there."""

import re
from pathlib import Path

from pinwatch.pins.rules import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "behaviour.md").read_text()


def test_every_rule_is_spoken_of() -> None:
    section = PAGE.partition("\n## Pinning\n")[2].partition("\n## ")[0]
    assert [code for code in CODES if f"`{code}`" not in section] == []


def test_every_source_is_used_and_there() -> None:
    listed = re.findall(r"^(\d+)\. ", PAGE.partition("\n## Sources\n")[2], re.MULTILINE)
    cited = set(re.findall(r"\[(\d+)\]", PAGE))
    assert listed == [str(number) for number in range(1, len(listed) + 1)]
    assert cited == set(listed)
