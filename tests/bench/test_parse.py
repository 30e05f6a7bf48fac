"""The statements that are the worst to judge are judged."""

import pytest

from bench.parse import worst
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.pins.verdict import verdict


@pytest.mark.parametrize("name", worst())
def test_each_is_as_long_as_may_be_and_pins(name: str) -> None:
    text = worst()[name]
    assert MAX_STATEMENT - 32 < len(text) <= MAX_STATEMENT
    first, *_ = verdict(text.encode()).findings
    assert first.rule in ("sequence_function", "set")
