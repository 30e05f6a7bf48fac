"""The sequence of a run: suites, subsets and modes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.process import NotStarted
from outside import comparison, modes
from outside.commands import Broken, Skipped
from outside.comparison import Entry, Verdict
from outside.modes import COMPILED, DIRECT, PLAIN, SMALL_POOL, Modes
from outside.outcomes import Outcomes
from outside.suite import Suite
from outside.workshop import Workshop

Say = Callable[[str], None]

FULL: Final = "full"
QUICK: Final = "quick"

PROXIES: Final = (PLAIN, COMPILED, SMALL_POOL)


@dataclass(slots=True)
class Result:
    """The verdicts on one suite, by subset and mode.

    ``skipped`` is the reason if the suite did not run, ``broken`` what failed other
    than a test. ``absent`` has the reason by mode if a mode did not run.
    """

    suite: str
    version: str = ""
    seconds: float = 0.0
    skipped: str | None = None
    broken: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True if the suite fails the run."""
        verdicts = self.verdicts.values()
        return bool(self.broken) or not all(v.expected for v in verdicts)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run. ``quick`` runs the quick subset only."""

    suites: Sequence[Suite]
    entries: Sequence[Entry]
    quick: bool
    modes: Sequence[str] = PROXIES

    def subsets(self) -> Iterable[tuple[str, list[str]]]:
        """Yield the subsets, each with the modes that run it."""
        if self.quick:
            yield QUICK, list(self.modes)
            return
        if PLAIN in self.modes:
            yield FULL, [PLAIN]
        if rest := [mode for mode in self.modes if mode != PLAIN]:
            yield QUICK, rest


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out a plan. Logs are kept in ``folder``, by suite, subset and mode."""

    plan: Plan
    workshop: Workshop
    modes: Modes
    folder: Path
    say: Say

    def all(self) -> Iterable[Result]:
        """Yield the result of each suite when it has run."""
        for suite in self.plan.suites:
            yield self._suite(suite)

    def _suite(self, suite: Suite) -> Result:
        result = Result(suite.name)
        started = time.monotonic()
        try:
            with self.workshop.lock():
                result.version = suite.prepare(self.workshop)
            for subset, proxies in self.plan.subsets():
                self._subset(suite, subset, proxies, result)
        except Skipped as reason:
            result.skipped = str(reason)
        except (Broken, NotStarted, OSError) as error:
            result.broken.append(str(error) or type(error).__name__)
        result.seconds = time.monotonic() - started
        return result

    def _subset(
        self, suite: Suite, subset: str, proxies: Sequence[str], result: Result
    ) -> None:
        entries = comparison.of_suite(self.plan.entries, suite.name)
        direct = [self._run(suite, subset, DIRECT, 1, result)]
        for mode in proxies:
            if reason := self.modes.missing(mode):
                result.absent[mode] = reason
                continue
            proxied = [self._run(suite, subset, mode, 1, result)]
            verdict = comparison.judge(
                entries, mode, direct[:1], proxied, subset == FULL
            )
            if not verdict.expected:
                if len(direct) == 1:
                    direct.append(self._run(suite, subset, DIRECT, 2, result))
                proxied.append(self._run(suite, subset, mode, 2, result))
                verdict = comparison.judge(
                    entries, mode, direct, proxied, subset == FULL
                )
            result.verdicts[subset, mode] = verdict

    def _run(
        self, suite: Suite, subset: str, mode: str, attempt: int, result: Result
    ) -> Outcomes:
        """Run the suite once. Raises Broken if it has no outcome at all."""
        again = "" if attempt == 1 else ", again"
        self.say(f"{suite.name} ({subset}): {mode}{again}")
        name = f"{suite.name}-{subset}-{mode}-{attempt}"
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with self.modes.running(mode, suite.setup, folder) as place:
            outcomes = suite.run(place, folder, subset == QUICK)
        with suppress(OSError):
            shutil.rmtree(folder / "state")
        result.broken += [f"{name}: {fault}" for fault in modes.faults(folder)]
        if not outcomes:
            raise Broken(f"{name} ran no test: see {folder}")
        return outcomes
