"""The command ``python -m outside``; see its ``--help``."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn

import typer

from bench.run import commit
from outside import comparison, fidelity, suites
from outside.commands import Broken
from outside.modes import Modes
from outside.run import PROXIES, Plan, Result, Runner
from outside.server import Servers
from outside.workshop import Workshop

ROOT = Path(__file__).parents[1]

EXAMPLES = """
Examples

$ make outside QUICK=1

$ make outside SUITE="asyncpg pg8000"

$ make outside SUITE=psycopg SOURCE=~/src/psycopg

$ make outside ARGS=--write
"""


def outside(
    suite: Annotated[
        list[str] | None,
        typer.Argument(help="Suites to run; all by default. See --list."),
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Run the quick subset only, in all modes.")
    ] = False,
    mode: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(PROXIES)}; repeat. All by default."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Checkout of the suite, or a folder of checkouts named as the "
            "suites, for suites that no registry carries.",
        ),
    ] = None,
    compiled: Annotated[
        Path, typer.Option(help="The program of the compiled build.")
    ] = ROOT / "build" / "compiled" / "venv" / "bin" / "pinwatch",
    cache: Annotated[
        Path,
        typer.Option(
            envvar="OUTSIDE_CACHE", help="Folder for downloads, builds and logs."
        ),
    ] = ROOT / "build" / "outside",
    write: Annotated[
        bool, typer.Option(help=f"Update {fidelity.PAGE.name} with the counts.")
    ] = False,
    list_suites: Annotated[
        bool, typer.Option("--list", help="List the suites and exit.")
    ] = False,
) -> None:
    """Run other projects' tests directly and through pinwatch, and compare them.

    The exit status is 1 if a difference is not in tests/outside/differences.toml, or
    if one in that list is gone, and 2 if the run could not start.
    """
    if list_suites:
        print(*(known.name for known in suites.SUITES), sep="\n")
        return
    try:
        plan = Plan(
            suites=suites.choose(suite or []),
            entries=comparison.read(),
            quick=quick,
            modes=_modes(mode or []),
        )
        if source is not None and not source.is_dir():
            raise ValueError(f"--source {source} is not a folder")
        results = _run(plan, cache.absolute(), source, compiled)
    except (ValueError, Broken) as error:
        _give_up(str(error))
    failed = [result.suite for result in results if result.failed]
    if write and not failed:
        names = [known.name for known in suites.SUITES]
        print(f"Wrote {fidelity.write(cache, names)}.")
    if failed:
        print(f"Failed: {', '.join(failed)}.")
        raise typer.Exit(1)


def _run(plan: Plan, cache: Path, source: Path | None, compiled: Path) -> list[Result]:
    results: list[Result] = []
    with TemporaryDirectory(prefix="outside-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        servers = Servers(folder)
        print(f"PostgreSQL {servers.version}; logs in {cache / 'runs'}", flush=True)
        runner = Runner(
            plan,
            Workshop(cache, _say, source, alone=len(plan.suites) == 1),
            Modes(servers, compiled.absolute()),
            cache / "runs",
            _say,
        )
        for result in runner.all():
            results.append(result)
            print(*fidelity.lines(result), sep="\n", flush=True)
            if not result.failed and not plan.quick:
                fidelity.record([result], servers.version, commit(), cache)
    return results


def _modes(names: list[str]) -> list[str]:
    for name in names:
        if name not in PROXIES:
            raise ValueError(f"no mode {name!r}: choose from {', '.join(PROXIES)}")
    return [mode for mode in PROXIES if mode in names or not names]


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _give_up(reason: str) -> NoReturn:
    print(f"outside: {reason}", file=sys.stderr)
    raise typer.Exit(2)


outside.__doc__ = f"{outside.__doc__}{EXAMPLES}"

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    typer.run(outside)
