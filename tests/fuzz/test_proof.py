"""Random scripts find each fault that is put back into the proxy."""

from collections.abc import Iterator
from typing import Final

import pytest

from pinwatch.sockets.calls import COMPILED
from tests.fuzz.campaign import Campaign
from tests.fuzz.faults import FAULTS
from tests.fuzz.proof import search
from tests.fuzz.stage import new_stage
from tests.harness import Postgres

BEFORE: Final = 2  # scripts that run before the one that finds the fault

FOUND_AT: Final = {
    "assertion error": 1173,
    "internal name": 230,
    "name space": 578,
    "surviving statement": 2511,
}
"""The numbers of scripts that show the faults.

`python -m tests.fuzz.proof` searches for such scripts, from a first number on. A change
of the generator changes all scripts: run the command again, and replace these numbers.
"""
CHANGED: Final = (
    "The generator has changed: run `python -m tests.fuzz.proof` and enter the "
    "numbers that it prints."
)


@pytest.fixture
def campaign(postgres: Postgres) -> Iterator[Campaign]:
    with new_stage(postgres) as stage:
        yield Campaign(stage)


def test_each_fault_has_its_script() -> None:
    assert list(FOUND_AT) == list(FAULTS)


@pytest.mark.skipif(COMPILED, reason="methods of compiled classes cannot be replaced")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(campaign: Campaign, name: str) -> None:
    first = FOUND_AT[name] - BEFORE
    found = search(campaign, FAULTS[name], first, BEFORE + 1)
    assert found == FOUND_AT[name], CHANGED
