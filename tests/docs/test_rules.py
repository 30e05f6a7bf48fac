"""docs/rules has a page for each rule, generated from the rules and the advice."""

import pytest

from docs.__main__ import FILES, FOLDER
from pinwatch.pins.advice import by_rule
from pinwatch.pins.rule_pages import page
from pinwatch.pins.rules import CODES, RULES, Rule


@pytest.mark.parametrize("name", FILES)
def test_writing_it_again_changes_nothing(name: str) -> None:
    assert (FOLDER / name).read_text() == FILES[name](), "run python -m docs"


def test_there_is_no_other_page() -> None:
    found = {f"rules/{file.name}" for file in (FOLDER / "rules").iterdir()}
    assert found == {name for name in FILES if name.startswith("rules/")}


@pytest.mark.parametrize("rule", CODES)
def test_all_advice_on_a_rule_is_on_its_page(rule: str) -> None:
    written = page(rule)
    for entry in by_rule()[rule]:
        said = entry.advice
        for text in (said.why, said.best, said.second, said.code, *said.sources):
            assert text in written
        assert f"**Accept the pin** if {said.accept}." in written


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pins)
def test_both_readings_are_on_the_page(rule: Rule) -> None:
    written = page(rule.code)
    assert f"`{rule.pins}`" in written
    assert rule.reason in written
    if rule.readings is not None:
        assert rule.readings.pins in written
        assert rule.readings.does_not in written


def test_an_unknown_rule_has_no_page() -> None:
    with pytest.raises(KeyError):
        page("select")
