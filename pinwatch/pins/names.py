"""The names of rules, as users write them to allow pins and leaks."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from pinwatch.errors import SettingError
from pinwatch.pins.rules import CODES

HIDDEN_STATE: Final = "hidden_state"
"""The rule of statements that leave state unseen, which do not pin."""
NAMES: Final = (*CODES, HIDDEN_STATE)

NO_RULE: Final = "{} is not a rule: must be one of {}."
MEANT: Final = "{} is not a rule: did you mean {}?"


def check_rules(rules: Sequence[str]) -> None:
    """Check names of rules; raises SettingError for an unknown name or for none."""
    if not rules:
        raise SettingError(f"Name the rules to allow: {', '.join(NAMES)}.")
    for rule in rules:
        if rule not in NAMES:
            near = get_close_matches(str(rule), NAMES, n=1)
            text = MEANT.format(rule, near[0]) if near else NO_RULE
            raise SettingError(text.format(rule, ", ".join(NAMES)))
