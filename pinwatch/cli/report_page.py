"""The ranking of pinwatch report as HTML, in one file, and as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from pinwatch.cli import report_init_query
from pinwatch.cli.report_text import (
    Found,
    figures,
    first_fix,
    minute,
    shortened,
    size,
    summary,
    what_if,
)
from pinwatch.production.ranking import Row, Suspect
from pinwatch.production.timeline import Timeline
from pinwatch.text import duration, number_of

WIDTH: Final = 960  # of the plot, in the units of its viewBox
HEIGHT: Final = 160
SERIES: Final = 6
"""Colours of the plot; all rules from the sixth on share the last one."""
MAX_DIGEST: Final = 2_048  # characters
MAX_HOSTS: Final = 5
MAX_SUSPECT: Final = 200
CONTESTED: Final = "AWS's pages and users disagree that this pins."


# Markdown.


def markdown(found: Found) -> str:
    return "\n".join(_markdown_lines(found))


def _markdown_lines(found: Found) -> Iterator[str]:
    yield "# What pins in production\n"
    yield f"{summary(found)} {first_fix(found.rows)}".strip()
    yield from (f"\n{sentence}" for sentence in what_if(found))
    for number, row in enumerate(found.rows, 1):
        yield f"\n## {number}. {row.cause.rule}: {figures(row)}\n"
        if row.digest:
            yield f"```sql\n{shortened(row.digest, MAX_DIGEST)}\n```\n"
        if row.first and row.last:
            yield f"First {minute(row.first)}, last {minute(row.last)} UTC.\n"
        if row.cause.contested:
            yield f"Contested: {CONTESTED}\n"
        yield f"Fix: {row.cause.fix.text}"
    if sentences := list(report_init_query.sentences(found.init_query, found.rows)):
        yield f"\n## {report_init_query.TITLE}\n"
        if found.init_query.sql:
            yield f"```sql\n{found.init_query.sql}\n```\n"
        yield from (f"- {sentence}" for sentence in sentences)
    if found.suspects:
        yield "\n## Statements that may exceed 16,384 bytes when they are sent\n"
        for one in found.suspects:
            yield f"- {size(one)}: `{shortened(one.digest, MAX_SUSPECT)}`"


# HTML.


def html(found: Found) -> str:
    """Return a document that needs no other file and no network."""
    return "\n".join(_html_lines(found))


def _style() -> str:
    base = files("pinwatch.web").joinpath("static/base.css").read_text("utf-8")
    return base + files("pinwatch.cli").joinpath("report_page.css").read_text("utf-8")


def _html_lines(found: Found) -> Iterator[str]:
    title = "What pins in production"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>\n{_style()}</style>\n</head>\n<body>"
    yield f"<header><h1>{title}</h1><p>{escape(summary(found))}</p></header>\n<main>"
    fix = first_fix(found.rows)
    if fix:
        yield f'<p id="verdict">{escape(fix)}</p>'
    yield from _plot(found.ranking.timeline, found.rows)
    yield from (f"<p>{escape(sentence)}</p>" for sentence in what_if(found))
    for number, row in enumerate(found.rows, 1):
        yield from _section(number, row)
    yield from _init_query(found)
    yield from _suspects(found.suspects)
    for problem in found.problems:
        yield f"<p>Not read to its end: {escape(problem)}</p>"
    yield "</main>\n</body>\n</html>"


def _section(number: int, row: Row) -> Iterator[str]:
    rule = f'<span class="rule">{escape(row.cause.rule)}</span>'
    yield f"<section>\n<h2>{number}. {rule}: {escape(figures(row))}</h2>"
    if row.digest:
        yield f"<pre>{escape(shortened(row.digest, MAX_DIGEST))}</pre>"
    yield f'<p class="fix">{escape(str(row.cause.fix))}</p>\n<dl>'
    for label, text in _details(row):
        yield f"<dt>{label}</dt><dd>{escape(text)}</dd>"
    yield "</dl>\n</section>"


def _details(row: Row) -> Iterator[tuple[str, str]]:
    if row.cause.contested:
        yield "Contested", CONTESTED
    if row.first and row.last:
        yield "First", f"{minute(row.first)} UTC"
        yield "Last", f"{minute(row.last)} UTC"
    if row.hosts:
        yield "Most from", _most_common(row.hosts)
    if row.applications:
        yield "Applications", ", ".join(sorted(row.applications))


def _most_common(hosts: Counter[str]) -> str:
    shown = hosts.most_common(MAX_HOSTS)
    texts = [f"{host} ({number_of(count, 'pin')})" for host, count in shown]
    left = len(hosts) - len(shown)
    return ", ".join([*texts, f"{left} more"] if left else texts)


def _suspects(suspects: Sequence[Suspect]) -> Iterator[str]:
    if not suspects:
        return
    yield "<section>\n<h2>Statements that may exceed 16,384 bytes when sent</h2>"
    for one in suspects:
        yield f"<p>{size(one)}</p>"
        yield f"<pre>{escape(shortened(one.digest, MAX_SUSPECT))}</pre>"
    yield "</section>"


def _init_query(found: Found) -> Iterator[str]:
    sentences = list(report_init_query.sentences(found.init_query, found.rows))
    if not sentences:
        return
    yield f"<section>\n<h2>{escape(report_init_query.TITLE)}</h2>"
    if found.init_query.sql:
        yield f"<pre>{escape(found.init_query.sql)}</pre>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in sentences)
    yield "</section>"


def _plot(timeline: Timeline, rows: Sequence[Row]) -> Iterator[str]:
    """Yield stacked bars: the pins of each bucket by rule."""
    buckets = list(timeline)
    if not buckets:
        return
    rules = list(dict.fromkeys(row.cause.rule for row in rows if row.count))
    classes = {rule: min(at, SERIES) for at, rule in enumerate(rules, 1)}
    highest = max(counts.total() for _, counts in buckets)
    width = WIDTH / len(buckets)
    yield f'<figure>\n<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    yield 'aria-label="Pins over time, by rule" preserveAspectRatio="none">'
    for at, (start, counts) in enumerate(buckets):
        bottom = float(HEIGHT)
        for rule in (rule for rule in rules if counts[rule]):
            height = counts[rule] * HEIGHT / highest
            bottom -= height
            what = f"{minute(start)} UTC, {rule}: {number_of(counts[rule], 'pin')}"
            yield _bar(classes[rule], at * width, bottom, width, height, what)
    yield '</svg>\n<ul class="keys">'
    for rule in rules:
        yield f'<li class="series-{classes[rule]}">{escape(rule)}</li>'
    first, last = buckets[0][0], buckets[-1][0]
    yield (
        f"</ul>\n<figcaption>Pins from {minute(first)} to {minute(last)} UTC. A bar is "
        f"{duration(timeline.width)}, the highest one {number_of(highest, 'pin')}."
        "</figcaption>\n</figure>"
    )


def _bar(
    series: int, left: float, top: float, width: float, height: float, what: str
) -> str:
    """Return a bar with a gap to the next one, and a text for the pointer."""
    return (
        f'<rect class="series-{series}" x="{left:.2f}" y="{top:.2f}" '
        f'width="{max(width - 0.5, 0.5):.2f}" height="{height:.2f}">'
        f"<title>{escape(what)}</title></rect>"
    )
