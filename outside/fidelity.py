"""Show results, keep the newest of each suite, and write docs/fidelity.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from outside.comparison import Verdict
from outside.run import FULL, QUICK, Result

PAGE: Final = Path(__file__).parents[1] / "docs" / "fidelity.md"
COMMAND: Final = "make outside ARGS=--write"
SHOWN: Final = 200
"""Tests that are listed of a failed run."""

_INTRO: Final = """\
# Tests of other projects

Test suites of drivers, ORMs and PostgreSQL itself run twice: directly against
PostgreSQL, and through pinwatch. Every test must have the same outcome, unless RDS
Proxy behaves differently by design. [The list of
differences](../tests/outside/differences.toml) names each of those tests and the line
of [behaviour.md](behaviour.md) that explains it. The command fails if another test
differs, or if a listed one no longer does.

```sh
make outside QUICK=1                      # the quick subset, in all modes
make outside                              # everything
make outside SUITE="asyncpg pgx"
make outside SUITE=psycopg SOURCE=~/psycopg   # a suite that no registry carries
make outside ARGS=--list                  # names of the suites
make outside ARGS=--write                 # everything, and write this page
```

The suites come from PyPI, from Debian's source packages and from the Go module proxy.
No registry carries the tests of psycopg, node-postgres, postgres.js and DBD::Pg, for
which `SOURCE` names a checkout. Downloads, builds and the logs of the last run of each
suite are kept in `build/outside`.

- An equal test may have failed both times, for example because it needs another server.
- A test is unstable if its outcome changes between two runs of the same kind. When a
  difference is not expected, both sides run a second time. Unstable tests are not
  compared.
- A suite or mode without a row has no successful full run yet. In a commit with "+"
  code had uncommitted changes.
- pinwatch has its default settings, apart from the borrow timeout.
"""


def lines(result: Result) -> Iterator[str]:
    """Yield the lines that report a result."""
    head = f"{result.suite} {result.version}".strip()
    if result.skipped is not None:
        yield f"SKIPPED {head}: {result.skipped}"
    for (subset, mode), verdict in result.verdicts.items():
        yield f"{head} ({subset}), {mode}: {summary(verdict)}"
        yield from (f"  unlisted: {text}" for text in verdict.unlisted[:SHOWN])
        yield from (f"  outdated: {text}" for text in verdict.gone[:SHOWN])
        yield from (f"  unstable: {text}" for text in verdict.unstable[:SHOWN])
    yield from (f"NOT RUN {head}, {mode}: {r}" for mode, r in result.absent.items())
    yield from (f"BROKEN {head}: {text}" for text in result.broken)


def summary(verdict: Verdict) -> str:
    """Return the counts of a verdict in one sentence."""
    counts = [
        f"{verdict.tests} tests",
        f"{verdict.equal} equal",
        f"{verdict.listed.total()} different as listed",
    ]
    if verdict.unlisted:
        counts.append(f"{len(verdict.unlisted)} different and not listed")
    if verdict.gone:
        counts.append(f"{len(verdict.gone)} listed and not different")
    if verdict.unstable:
        many = " (too many)" if verdict.too_unstable else ""
        counts.append(f"{len(verdict.unstable)} unstable{many}")
    return ", ".join(counts)


def record(results: Iterable[Result], server: str, commit: str, cache: Path) -> None:
    """Keep the results of suites that ran, in place of earlier ones."""
    kept = _read(cache)
    for result in results:
        rows = [
            _row(subset, mode, verdict)
            for (subset, mode), verdict in result.verdicts.items()
        ]
        if rows:
            kept[result.suite] = {
                "version": result.version,
                "server": server,
                "commit": commit,
                "date": date.today().isoformat(),
                "rows": rows,
            }
    cache.mkdir(parents=True, exist_ok=True)
    _file(cache).write_text(json.dumps(kept, indent=1) + "\n")


def write(cache: Path, order: Sequence[str], page: Path = PAGE) -> Path:
    """Write the page with the newest result of each suite; return its path."""
    kept = _read(cache)
    suites = {name: kept[name] for name in order if name in kept}
    parts = [_INTRO, _counts(suites, FULL), _reasons(suites), _counts(suites, QUICK)]
    page.write_text("\n".join(parts))
    return page


def _counts(suites: dict[str, Any], subset: str) -> str:
    """Return the table of counts of a subset."""
    if subset == FULL:
        title = "## Counts\n\nAll tests, with pinwatch in plain Python:"
    else:
        title = (
            "## Other builds\n\nThe quick subset, with the compiled build and with a "
            "pool of three\ndatabase connections (`small-pool`):"
        )
    head = [
        "| Suite | Version | Mode | Tests | Passed directly | Equal | Different "
        "| Unstable | Date, commit |",
        "|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    rows = [
        f"| {name} | {kept['version']} | {row['mode']} | {row['tests']} "
        f"| {row['passed']} | {row['equal']} | {row['different']} "
        f"| {row['unstable']} | {kept['date']}, {kept['commit']} |"
        for name, kept in suites.items()
        for row in kept["rows"]
        if row["subset"] == subset
    ]
    servers = sorted({kept["server"] for kept in suites.values()})
    note = f"PostgreSQL {', '.join(servers)} of Debian. The command: `{COMMAND}`."
    return "\n".join([title, "", *head, *rows, "", *([note, ""] * (subset == FULL))])


def _reasons(suites: dict[str, Any]) -> str:
    """Return the table of differences by reason."""
    totals: Counter[str] = Counter()
    where: dict[str, list[str]] = {}
    for name, kept in suites.items():
        for row in kept["rows"]:
            if row["subset"] == FULL:
                for rule, count in row["listed"].items():
                    totals[rule] += count
                    where.setdefault(rule, []).append(f"{name} {count}")
    rows = [
        f"| {rule} | {count} | {', '.join(where[rule])} |"
        for rule, count in totals.most_common()
    ]
    head = ["| Behaviour | Tests | Suites |", "|---|---:|---|"]
    return "\n".join(["## Differences by reason", "", *head, *rows, ""])


def _row(subset: str, mode: str, verdict: Verdict) -> dict[str, Any]:
    different = verdict.listed.total() + len(verdict.unlisted)
    return {
        "subset": subset,
        "mode": mode,
        "tests": verdict.tests,
        "passed": verdict.passed,
        "equal": verdict.equal,
        "different": different,
        "unstable": len(verdict.unstable),
        "listed": dict(verdict.listed),
    }


def _file(cache: Path) -> Path:
    return cache / "results.json"


def _read(cache: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(_file(cache).read_text())
    except (OSError, ValueError):
        return {}
    return kept
