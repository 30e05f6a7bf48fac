"""The fuzzer as a program: `make fuzz`.

Runs scripts seed by seed until the time is over. Ends with status 1 at the first
difference, which it prints.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Final

from tests.fuzz.campaign import VERSIONS, Campaign, version
from tests.fuzz.pair import DifferenceFound
from tests.fuzz.script import read_script
from tests.fuzz.stage import new_stage
from tests.harness import embedded_postgres

BATCH: Final = 25  # scripts between two updates of the progress line
SEED_LENGTH: Final = 500  # scripts of each seed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="default: 1")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--first", type=int, default=0, help="the first script")
    parser.add_argument("--scripts", type=int, help="run so many scripts of the seed")
    parser.add_argument("--script", type=Path, help="run the script of this file")
    return parser.parse_args()


class Progress:
    """The line that shows how many scripts have run."""

    def __init__(self, campaigns: dict[int, Campaign]) -> None:
        self.campaigns = campaigns
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def show(self, seed: int, end: str = "\r") -> None:
        executed = sum(one.executed for one in self.campaigns.values())
        intended = sum(one.intended.total() for one in self.campaigns.values())
        rate = executed / max(self.seconds, 0.001)
        print(
            f"{executed} scripts, {rate:.1f}/s, {intended} ended at an intended "
            f"difference, seed {seed}",
            end=end,
            flush=True,
        )


def fuzz(chosen: argparse.Namespace, campaigns: dict[int, Campaign]) -> None:
    """Run the chosen scripts; raises DifferenceFound."""
    progress = Progress(campaigns)
    for seed in count(chosen.seed):
        campaign = campaigns[version(seed)]
        last = chosen.first + (chosen.scripts or SEED_LENGTH)
        for first in range(chosen.first, last, BATCH):
            campaign.run_seed(seed, min(BATCH, last - first), first)
            progress.show(seed)
            if not chosen.scripts and progress.seconds > 60 * chosen.minutes:
                return progress.show(seed, "\n")
        if chosen.scripts:
            return progress.show(seed, "\n")


def replay(file: Path, campaigns: dict[int, Campaign]) -> None:
    """Run the script of a file on each server; raises DifferenceFound."""
    script = read_script(file.read_text())
    for number, campaign in campaigns.items():
        found = campaign.play(script)
        if found is not None:
            raise DifferenceFound(f"PostgreSQL {number}:\n{script}\n{found}")
        print(f"PostgreSQL {number}: no difference")


def main() -> int:
    chosen = arguments()
    with ExitStack() as stack:
        campaigns: dict[int, Campaign] = {}
        for number in VERSIONS:
            postgres = stack.enter_context(embedded_postgres(number))
            campaigns[number] = Campaign(stack.enter_context(new_stage(postgres)))
        try:
            if chosen.script:
                replay(chosen.script, campaigns)
            else:
                fuzz(chosen, campaigns)
        except DifferenceFound as found:
            print(f"\n\n{found}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
