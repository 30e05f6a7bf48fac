"""Tables of a run, or of the change between two, for a terminal or Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable

from bench.goals import outcomes
from bench.metrics import BY_KEY, Metric
from bench.results import FAILED, YARDSTICK, Run

COLUMNS: Final = (
    ("throughput", ("mb_per_s", "tps")),
    ("p50 ms", ("p50_ms",)),
    ("p95 ms", ("p95_ms",)),
    ("p99 ms", ("p99_ms",)),
    ("proxy CPU", ("cpu_us_per_mb", "cpu_us_per_transaction")),
    ("memory MB", ("rss_mb",)),
    (
        "cores proxy/load/server/other",
        ("proxy_cores", "load_cores", "server_cores", "other_cores"),
    ),
)
"""Titles and metrics of columns.

A column shows the first of its metrics that was read; the last column shows all.
"""

NOTE: Final = (
    "Medians over the rounds; ± is the spread (half of largest less smallest), x the "
    "ratio to PgBouncer's of the same round. Load generator, proxy and server share "
    "the machine's cores."
)


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the columns' names and the rows; None is a horizontal rule."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str] | None]


def tables(run: Run) -> Iterator[Table]:
    """Yield the tables of a run: loads, idle clients, failures, goals."""
    yield _main(run)
    for table in (_idle(run), _failures(run), _goals(run)):
        if table.rows:
            yield table


def _main(run: Run) -> Table:
    titles = ("case", "subject", *(title for title, _ in COLUMNS))
    rows: list[Sequence[str] | None] = []
    previous = ""
    for case, subject in run.rows():
        if previous not in ("", case):
            rows.append(None)
        shown = "" if case == previous else case
        previous = case
        if any(run.readings.get(case, {}).get(subject, [])):
            cells = [_first(run, case, subject, keys) for _, keys in COLUMNS[:-1]]
            cells.append(_cores(run, case, subject))
        else:
            why = run.absent[case][subject]
            word = "failed" if why.startswith(FAILED) else why
            cells = [word, *[""] * (len(COLUMNS) - 1)]
        rows.append((shown, subject, *cells))
    return Table(_title(run), titles, rows)


def _title(run: Run) -> str:
    versions = ", ".join(f"{name} ({text})" for name, text in run.versions.items())
    others = [
        value for row in run.rows() for value in run.values(*row, "other_cores")
    ] or [0.0]
    return (
        f"{run.started}, commit {run.commit}: {versions}; {run.machine['cores']} "
        f"cores, {run.options['rounds']} rounds of {run.options['seconds']} s; other "
        f"work took {median(others):.2f} cores at the median, {max(others):.2f} at most"
    )


def _first(run: Run, case: str, subject: str, keys: Sequence[str]) -> str:
    """Return the first of the metrics that the subject has in this case."""
    for key in keys:
        text = _cell(run, case, subject, BY_KEY[key])
        if text:
            return text
    return ""


def _cell(run: Run, case: str, subject: str, metric: Metric) -> str:
    summary = run.summary(case, subject, metric.key)
    if summary is None:
        return ""
    text = f"{summary.median:,.{metric.digits}f}"
    if metric.unit in ("/s", "MB/s", "µs/tx", "µs/MB"):
        text += f" {metric.unit}"
    if summary.spread is not None:
        text += f" ±{summary.spread:.0%}"
    if summary.ratio is not None and subject != YARDSTICK and metric.judged:
        text += f" x{summary.ratio:.2f}"
    return text


def _cores(run: Run, case: str, subject: str) -> str:
    found = [run.summary(case, subject, key) for key in COLUMNS[-1][1]]
    return " / ".join("-" if each is None else f"{each.median:.2f}" for each in found)


def _idle(run: Run) -> Table:
    keys = ("idle_kb_per_client", "served_kb_per_client", "connects_per_s")
    metrics = [BY_KEY[key] for key in keys]
    titles = (f"{metric.title} {metric.unit}" for metric in metrics)
    rows = [
        (case, subject, *(_cell(run, case, subject, metric) for metric in metrics))
        for case, subject in run.rows()
        if run.summary(case, subject, keys[0]) is not None
    ]
    return Table("Idle clients", ("case", "subject", *titles), rows)


def _failures(run: Run) -> Table:
    rows = [
        (case, subject, reason)
        for case, reasons in run.absent.items()
        for subject, reason in reasons.items()
        if reason.startswith(FAILED)
    ]
    return Table("Failed", ("case", "subject", "why"), rows)


def _goals(run: Run) -> Table:
    rows = [
        (
            outcome.case,
            outcome.subject,
            BY_KEY[outcome.goal.metric].title,
            f"{'≥' if BY_KEY[outcome.goal.metric].higher_is_better else '≤'} "
            f"{outcome.goal.bound:.2f}{'' if outcome.goal.absolute else 'x'}",
            f"{outcome.reached:.2f}",
            "met" if outcome.met else "missed",
        )
        for outcome in outcomes(run)
    ]
    return Table("Goals", ("case", "subject", "metric", "bound", "reached", ""), rows)


def change(before: Run, after: Run) -> Table:
    """Return the changes between two runs, of the cases and subjects in both.

    A change within the wider of the two spreads is in brackets.
    """
    rows: list[Sequence[str] | None] = []
    for case, subject in after.rows():
        cells = [
            _changed(before, after, case, subject, keys) for _, keys in COLUMNS[:-1]
        ]
        if any(cells):
            rows.append((case, subject, *cells))
    titles = ("case", "subject", *(title for title, _ in COLUMNS[:-1]))
    return Table(f"Change since {before.started}, {before.commit}", titles, rows)


def _changed(
    before: Run, after: Run, case: str, subject: str, keys: Sequence[str]
) -> str:
    for key in keys:
        old, new = (run.summary(case, subject, key) for run in (before, after))
        if old is not None and new is not None and old.median:
            share = new.median / old.median - 1
            noise = max(old.spread or 0.0, new.spread or 0.0)
            text = f"{share:+.0%}"
            return f"({text})" if abs(share) <= noise else text
    return ""


def show(table: Table, console: Console) -> None:
    """Print a table on a terminal."""
    rich = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        rich.add_column(column, justify="left" if index < 2 else "right")
    for row in table.rows:
        if row is None:
            rich.add_section()
        else:
            rich.add_row(*row)
    console.print(rich)


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown."""
    lines = [f"**{table.title}**", "", _line(table.columns)]
    lines.append(_line(["---"] * 2 + ["---:"] * (len(table.columns) - 2)))
    lines += [_line(row) for row in table.rows if row is not None]
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
