"""The page of each rule, in Markdown: what pins, why, and what to do about it.

Owns the form of the pages. They are made from the rules and the catalogue of advice;
``docs/rules``, ``pinwatch explain --rule`` and the HTTP side show the same text.
"""

import re
from collections.abc import Iterator
from typing import Final

from pinwatch.pins.advice import Advice, Entry, by_rule
from pinwatch.pins.profiles import PROFILES
from pinwatch.pins.rules import (
    CODES,
    MAX_STATEMENT,
    PARSE_REASON,
    PINNING_PAGE,
    RULES,
    STATEMENT_SIZE_REASON,
    Rule,
)

WITHOUT_SQL: Final = {
    "statement_size": (STATEMENT_SIZE_REASON, PINNING_PAGE),
    "parse_message": (PARSE_REASON, PROFILES["rds-2020-06"].source),
}
"""Rules that no node of a statement matches, with the sentence in RDS Proxy's log and
the URL of the source."""
NOT_IN_ANCHOR: Final = re.compile(r"[^\w -]")
GROUPS: Final = {
    "What to do": ("cases", "general"),
    "What drivers send": ("drivers",),
    "Migrations and jobs": ("applications",),
}
"""The headings over the advice, with the files that have it."""


def command(rule: str) -> str:
    """Return the command that prints the page."""
    return f"pinwatch explain --rule {rule}"


def source(rule: str) -> str:
    """Return the URL of the page or report that has the rule."""
    return WITHOUT_SQL[rule][1] if rule in WITHOUT_SQL else PINNING_PAGE


def summary(rule: str) -> str:
    """Return what the rule is about, in one sentence of Markdown."""
    return general(rule).summary


def general(rule: str) -> Advice:
    """Return the advice on SQL that no more special entry fits."""
    return by_rule()[rule][-1].advice


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub forms it."""
    return NOT_IN_ANCHOR.sub("", heading.lower()).replace(" ", "-")


def index(link: str) -> str:
    """Return the list of all pages; link has {} in the place of a rule's code."""
    lines = [f"- [`{rule}`]({link.format(rule)}): {summary(rule)}" for rule in CODES]
    return "\n".join(
        [
            "# Rules",
            "",
            "Each rule has a page: what pins, why, and what to do about it. "
            "`pinwatch explain --rule set` prints a page without a network.",
            "",
            *lines,
            "",
        ]
    )


def page(rule: str) -> str:
    """Return the page of a rule. Raises KeyError for an unknown code."""
    return "\n".join(_page(rule))


def _page(rule: str) -> Iterator[str]:
    rows = [row for row in RULES if row.code == rule]
    yield from (f"# {rule}", "", summary(rule), "")
    yield from _examples(rule, rows)
    yield from _contents(rule)
    yield from ("## Why it pins", "", general(rule).why, "")
    reason = rows[0].reason if rows else WITHOUT_SQL[rule][0]
    yield from ("The reason in RDS Proxy's log line:", "", *_block("text", reason))
    yield from (f"Source: <{source(rule)}>", "")
    for row in rows:
        yield from _readings(row)
    yield from _sections(rule)


def _contents(rule: str) -> Iterator[str]:
    """Yield links to the sections with advice, if there are several."""
    titles = [
        entry.advice.title
        for group in GROUPS.values()
        for entry in by_rule()[rule]
        if entry.file in group
    ]
    if len(titles) > 1:
        yield from ("Advice on:", "")
        yield from (f"- [{title}](#{anchor(title)})" for title in titles)
        yield ""


def _examples(rule: str, rows: list[Rule]) -> Iterator[str]:
    if rule == "statement_size":
        yield from (
            f"A text of {MAX_STATEMENT:,} bytes does not pin, and one of "
            f"{MAX_STATEMENT + 1:,} bytes does, whatever its statements are.",
            "",
        )
    if rows:
        yield from ("| SQL | RDS Proxy |", "|---|---|")
        for row in rows:
            contested = ", *contested*" if row.readings else ""
            yield f"| `{row.pins}` | pins{contested} |"
        for row in rows:
            yield f"| `{row.passes}` | does not pin |"
        yield ""


def _readings(row: Rule) -> Iterator[str]:
    if row.readings is None:
        return
    yield from (f"### Contested: `{row.pins}`", "")
    yield f"- For a pin: {row.readings.pins}"
    yield f"- Against: {row.readings.does_not}"
    yield from (f"- Source: <{one}>" for one in row.readings.sources)
    yield from ("", '`profile = "lenient"` judges that it does not pin.', "")


def _sections(rule: str) -> Iterator[str]:
    """Yield the advice: cases first, then drivers, and work that needs no proxy."""
    for heading, group in GROUPS.items():
        entries = [entry for entry in by_rule()[rule] if entry.file in group]
        if entries:
            yield from (f"## {heading}", "")
        for entry in entries:
            yield from _section(rule, entry)


def _section(rule: str, entry: Entry) -> Iterator[str]:
    said = entry.advice
    yield from (f"### {said.title}", "")
    if entry.application:
        yield from ("Recognised by the client's `application_name`, or by its SQL.", "")
    elif said.driver:
        yield from (f"{said.driver} sends this:", "", *_block("sql", entry.example))
    elif not entry.is_general and entry.example:
        yield from ("SQL of this kind:", "", *_block("sql", entry.example))
    if said.why != general(rule).why:
        yield from (f"**Why it pins:** {said.why}", "")
    yield from (f"**Best:** {said.best}", "")
    yield from (f"**Or:** {said.second}", "")
    yield from _block(said.language, said.code)
    yield from (f"**Accept the pin** if {said.accept}.", "")
    links = ", ".join(f"<{one}>" for one in said.sources)
    yield from (f"See {links}.", "")


def _block(language: str, code: str) -> tuple[str, ...]:
    return f"```{language}", code, "```", ""
