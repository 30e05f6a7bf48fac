"""The statements that are the worst to judge are judged, and found to pin."""

import pytest

from bench.stall import longest, sentence, worst
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.pins.verdict import verdict


@pytest.mark.parametrize("name", worst())
def test_each_is_as_long_as_may_be_and_pins(name: str) -> None:
    text = worst()[name].encode()
    assert MAX_STATEMENT - 32 < len(text) <= MAX_STATEMENT
    found = verdict(text)
    assert found.error or found.findings[0].rule in ("sequence_function", "set")


def test_the_longest_stall_is_named() -> None:
    stall = longest(rounds=1)
    assert stall.name in worst()
    assert f"{stall.longest:.1f} ms" in sentence(stall)
