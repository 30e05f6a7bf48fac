"""Runs many scripts of one seed, and shrinks the first that shows a difference.

A script is known by its seed and its number, and runs on the server that the seed
chooses.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.fuzz.generator import random_script
from tests.fuzz.pair import DifferenceFound, IntendedDifference
from tests.fuzz.run import run
from tests.fuzz.script import Script
from tests.fuzz.shrink import shrink
from tests.fuzz.stage import Stage

VERSIONS: Final = (18, 16)
REPEATS: Final = 3  # runs of a script that did not fail again


def version(seed: int) -> int:
    """Return the version of PostgreSQL on which the scripts of a seed run."""
    return VERSIONS[seed % len(VERSIONS)]


@dataclass(slots=True)
class Campaign:
    """The scripts that ran on a stage, and how they ended."""

    stage: Stage
    executed: int = 0
    intended: Counter[str] = field(default_factory=Counter)
    """The scripts that ended at an intended difference, by its name."""

    def run_seed(self, seed: int, count: int, first: int = 0) -> None:
        """Run scripts of a seed; the first that fails is shrunk and raised."""
        for number in range(first, first + count):
            script = random_script(f"{seed}/{number}")
            found = self.play(script)
            if found is not None:
                rerun = f"make fuzz SEED={seed} FIRST={number} SCRIPTS=1"
                text = self._smallest(script) or f"{script}\n{found}\n{FLAKY}"
                raise DifferenceFound(f"{text}\nScript {number}: {rerun}")

    def play(self, script: Script) -> str | None:
        """Run one script; return the difference that it shows, or None."""
        self.executed += 1
        try:
            run(script, self.stage)
        except IntendedDifference as difference:
            self.intended[str(difference)] += 1
        except DifferenceFound as found:
            return str(found)
        return None

    def _smallest(self, script: Script) -> str | None:
        """Return the shrunk script with both transcripts; None if it does not fail."""
        differences = {}

        def fails(candidate: Script) -> bool:
            found = self.play(candidate)
            if found is not None:
                differences[str(candidate)] = found
            return found is not None

        if not any(fails(script) for _ in range(REPEATS)):
            return None
        smallest = str(shrink(script, fails))
        return f"{smallest}\n{differences[smallest]}"


FLAKY: Final = f"The same script showed no difference when it ran {REPEATS} times more."
