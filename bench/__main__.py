"""The command ``python -m bench``; see its ``--help``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from bench import results, tables
from bench.cases import CASES, QUICK, choose
from bench.install import Missing
from bench.process import NotStarted
from bench.results import Run
from bench.run import Plan, carry_out
from bench.stall import longest, sentence
from bench.subjects import Direct, Other, PgBouncer, Pinwatch, Subject

SUBJECTS = ("direct", "pgbouncer", "pinwatch")
WIDTH = 190
"""Columns of a table that is written to a file."""


def bench(
    subject: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(SUBJECTS)}; repeat. All by default."),
    ] = None,
    cases: Annotated[
        list[str] | None,
        typer.Option(help="A case's name, or a pattern such as 'simple-*'; repeat."),
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Each protocol at 10 and 100 clients, one round.")
    ] = False,
    seconds: Annotated[
        int, typer.Option(min=3, help="Length of a turn; its first second is warm-up.")
    ] = 4,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns of each subject in a case.")
    ] = None,
    pgbouncer: Annotated[
        Path | None,
        typer.Option(help="Path of the PgBouncer to use. Default: the installed one."),
    ] = None,
    pinwatch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="The pinwatch of another environment, in place of this one's, or "
            "beside it if it has a name; repeat.",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COMMAND",
            help="One more proxy; {target}, {port}, {http} and {pool} are replaced.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option(help="Show the change since the last run of these cases.")
    ] = False,
    compare_with: Annotated[
        Path | None, typer.Option(help="Show the change since this results file.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the tables to this file, too.")
    ] = None,
    show: Annotated[
        Path | None, typer.Option(help="Show this results file, and measure nothing.")
    ] = None,
    list_cases: Annotated[
        bool, typer.Option("--list", help="List the cases and exit.")
    ] = False,
) -> None:
    """Compare pinwatch with PgBouncer and with no proxy, on this machine."""
    if list_cases:
        print(*(case.name for case in CASES), sep="\n")
        return
    try:
        earlier = None if compare_with is None else results.read(compare_with)
        if show is not None:
            run = results.read(show)
        else:
            names = subject or list(SUBJECTS)
            plan = Plan(
                cases=choose(cases or (list(QUICK) if quick else ["*"])),
                subjects=[
                    *choose_subjects(names, pgbouncer, pinwatch or []),
                    *map(Other, also or []),
                ],
                seconds=seconds,
                rounds=rounds or (1 if quick else 5),
            )
            run = _measure(plan)
        if compare and earlier is None:
            earlier = results.previous(run)
    except (ValueError, Missing, NotStarted) as error:
        _give_up(str(error))
    _print(run, earlier, markdown)
    if show is None:
        print(sentence(longest()))
    whys = [why for reasons in run.absent.values() for why in reasons.values()]
    if any(why.startswith(results.FAILED) for why in whys):
        raise typer.Exit(1)


def choose_subjects(
    names: list[str], pgbouncer: Path | None, pinwatches: list[str]
) -> list[Subject]:
    """Return the subjects with these names, in the table's order, and more pinwatches.

    Raises ValueError for a name that is unknown or taken.
    """
    for name in names:
        if name not in SUBJECTS:
            raise ValueError(f"no subject {name!r}: choose from {', '.join(SUBJECTS)}")
    makers: dict[str, Callable[[], Subject]] = {
        "direct": Direct,
        "pgbouncer": partial(PgBouncer, pgbouncer),
        "pinwatch": Pinwatch,
    }
    chosen = [name for name in SUBJECTS if name in names]
    for text in pinwatches:
        name, _, path = text.rpartition("=")
        if name in chosen or name in SUBJECTS:
            raise ValueError(f"--pinwatch {text}: the name {name!r} is taken")
        name = name or "pinwatch"
        makers[name] = partial(Pinwatch, name, Path(path))
        chosen += [] if name in chosen else [name]
    return [makers[name]() for name in chosen]


def _measure(plan: Plan) -> Run:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, Elapsed(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=plan.turns)
        return carry_out(
            plan,
            say=lambda text: progress.update(task, description=text),
            turn=lambda: progress.advance(task),
        )


def _print(run: Run, earlier: Run | None, markdown: Path | None) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    shown = list(tables.tables(run))
    if earlier is not None:
        shown.append(tables.change(earlier, run))
    for table in shown:
        tables.show(table, console)
    console.print(tables.NOTE)
    if markdown is not None:
        texts = [tables.markdown(table) for table in shown]
        markdown.write_text("\n".join([*texts, tables.NOTE, ""]))


def _give_up(reason: str) -> NoReturn:
    print(f"bench: {reason}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    typer.run(bench)
