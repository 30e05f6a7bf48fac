"""docs/api.md says what may be asked, and how much is kept."""

import re
from pathlib import Path

from pinwatch.observers.pin_history import MAX_PINS
from pinwatch.web.pins import PinQuery
from pinwatch.web.stream import HEARTBEAT, MAX_READERS

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_parameter_is_there() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `/api/pins` |")]
    assert set(re.findall(r"`(\w+)`", row)) == set(PinQuery.model_fields)


def test_limits_are_as_it_says() -> None:
    text = " ".join(PAGE.split())
    assert f"the last {MAX_PINS:,} pins" in text
    assert f"every {HEARTBEAT:.0f} seconds" in text
    assert f"{MAX_READERS} can read" in text
