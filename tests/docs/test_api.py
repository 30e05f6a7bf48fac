"""docs/api.md says what may be asked, and how much is kept."""

import re
from pathlib import Path

import pytest

from pinwatch.observers.latest import MAX_ITEMS
from pinwatch.web.filters import Filters
from pinwatch.web.leaks import LeakQuery
from pinwatch.web.pins import PinQuery
from pinwatch.web.stream import HEARTBEAT, MAX_READERS

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


@pytest.mark.parametrize(
    ("path", "query"), [("/api/pins", PinQuery), ("/api/leaks", LeakQuery)]
)
def test_every_parameter_is_there(path: str, query: type[Filters]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{path}` |")]
    assert set(re.findall(r"`(\w+)`", row)) == set(query.model_fields)


def test_limits_are_as_it_says() -> None:
    text = " ".join(PAGE.split())
    assert f"the last {MAX_ITEMS:,} pins" in text
    assert f"every {HEARTBEAT:.0f} seconds" in text
    assert f"{MAX_READERS} can read" in text
