"""The proof that the fuzzer works: `python -m tests.fuzz.proof`.

Puts each fault of ``faults`` back into the proxy, and runs random scripts, the same as
`make fuzz`, until one shows the fault. Prints the number of that script: it is the
number of scripts that ran before it, unless the search began later.

A rare fault takes minutes. Therefore the tests do not search: ``test_proof`` runs the
script of each fault that this command found and printed. After a change of the
generator these scripts are others, and the command must search again.
"""

import argparse
import re
import sys
import time
from typing import Final

import pytest

from tests.fuzz.campaign import Campaign, version
from tests.fuzz.faults import FAULTS, Fault
from tests.fuzz.generator import random_script
from tests.fuzz.script import Script
from tests.fuzz.stage import new_stage
from tests.harness import embedded_postgres

SEED: Final = 2  # even: the scripts run on PostgreSQL 18
MAX_SCRIPTS: Final = 4_000


def search(campaign: Campaign, fault: Fault, first: int, scripts: int) -> int | None:
    """Return the number of the first script that shows the fault, or None."""
    for number in range(first, first + scripts):
        if shows(campaign, fault, random_script(f"{SEED}/{number}")):
            return number
    return None


def shows(campaign: Campaign, fault: Fault, script: Script) -> bool:
    """Return True if the script differs by the fault, and not without it."""
    with pytest.MonkeyPatch.context() as patch:
        fault.put_back(patch)
        difference = campaign.play(script)
    if difference is None or not re.search(fault.sign, difference, re.MULTILINE):
        return False
    return campaign.play(script) is None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.proof")
    parser.add_argument("faults", nargs="*", help=f"default: {', '.join(FAULTS)}")
    parser.add_argument("--first", type=int, default=0, help="the first script")
    parser.add_argument("--scripts", type=int, default=MAX_SCRIPTS, help="per fault")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    missed = 0
    with (
        embedded_postgres(version(SEED)) as postgres,
        new_stage(postgres) as stage,
    ):
        for name in chosen.faults or FAULTS:
            started = time.monotonic()
            campaign = Campaign(stage)
            found = search(campaign, FAULTS[name], chosen.first, chosen.scripts)
            missed += found is None
            end = "not found" if found is None else f"found by script {found}"
            seconds = time.monotonic() - started
            print(f"{name}: {end} of seed {SEED}, {seconds:.0f} s", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
