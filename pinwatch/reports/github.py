"""Annotations of a pull request's lines, in the form that GitHub Actions reads.

Results without a file are a table in the summary of the job's step, because GitHub
shows few annotations and none of them beside a line.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from pinwatch.pins.rule_pages import command
from pinwatch.reports.result import Level, Place, Problem, Result, counted
from pinwatch.text import number_of

COMMANDS: Final = {Level.ERROR: "error", Level.WARNING: "warning"}
SUMMARY: Final = """
### RDS Proxy: {} without a file

| Count | Rule | Statement | Fix | Tests |
|---:|---|---|---|---|
"""
ANNOUNCED: Final = "::{} title=RDS Proxy::{} without a file {} in the step summary."
TITLES: Final = {True: "RDS Proxy pins", False: "Not seen by RDS Proxy"}
"""The title of an annotation, by whether the statement pins."""
MAX_ROWS: Final = 100
"""Rows of the summary. GitHub drops a summary above 1 MiB; a row has 5 KB at most."""
MAX_STATEMENT: Final = 500  # characters in a row of the summary
MAX_TESTS: Final = 3  # in a row of the summary
MARKUP: Final = re.compile(r"[|`*_\[\]\\]")


def annotations(
    results: Iterable[Result], environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Yield one annotation per place; none outside of GitHub Actions.

    The results without a file are appended to the step summary, with one annotation
    that says so. Without a summary they are annotations of their own.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    root = _root(environment)
    shown = [result for result in results if result.level in COMMANDS]
    without_file = [result for result in shown if not result.has_file]
    file = environment.get("GITHUB_STEP_SUMMARY")
    if without_file and file and _append(Path(file), _summary(without_file)):
        shown = [result for result in shown if result.has_file]
    else:
        without_file = []
    yield from dict.fromkeys(_annotation(result, root) for result in shown)
    if without_file:
        worst = COMMANDS[_worst(without_file)]
        verb = "is" if _count(without_file) == 1 else "are"
        yield ANNOUNCED.format(worst, counted(without_file), verb)


def _append(file: Path, text: str) -> bool:
    """Return whether the file could be written."""
    try:
        with file.open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError:
        return False
    return True


def _summary(results: Sequence[Result]) -> str:
    """Return a table in Markdown with a row for each rule and statement."""
    ranked = sorted(results, key=attrgetter("same_code"))
    groups = [list(group) for _, group in groupby(ranked, attrgetter("same_code"))]
    groups.sort(key=lambda group: (_worst(group), -_count(group)))
    rows = [f"| {' | '.join(_cells(group))} |\n" for group in groups[:MAX_ROWS]]
    left_out = len(groups) - MAX_ROWS
    if left_out > 0:
        rows.append(f"\n... and {number_of(left_out, 'more statement')}.\n")
    return SUMMARY.format(counted(results)) + "".join(rows)


def _cells(same: Sequence[Result]) -> Iterator[str]:
    first = same[0]
    yield str(_count(same))
    yield f"{first.rule}, contested" if first.contested else first.rule
    cut = "..." if len(first.statement) > MAX_STATEMENT else ""
    yield f"<code>{_markdown(first.statement[:MAX_STATEMENT])}{cut}</code>"
    yield _markdown(f"{first.left} {first.advice}".lstrip())
    tests = list(dict.fromkeys(one.test for one in same if one.test))
    more = f" and {len(tests) - MAX_TESTS} more" if len(tests) > MAX_TESTS else ""
    yield _markdown(", ".join(tests[:MAX_TESTS])) + more


def _count(results: Iterable[Result]) -> int:
    return sum(result.count for result in results)


def _worst(results: Iterable[Result]) -> Level:
    return min(result.level for result in results)


def _markdown(text: str) -> str:
    """Return text on one line, without a meaning in Markdown or HTML."""
    one_line = escape(" ".join(text.split()), quote=False)
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", one_line)


def problem_annotation(
    command: str, problem: Problem, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the annotation of input that could not be read or judged."""
    text = f"{problem.text}\n{problem.statement}".rstrip()
    return _command("error", command, problem.place, _root(environment), text)


def _annotation(result: Result, root: Path) -> str:
    title = f"{TITLES[result.pins]}: {result.rule}"
    return _command(COMMANDS[result.level], title, result.place, root, _text(result))


def _root(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())


def _command(name: str, title: str, place: Place | None, root: Path, text: str) -> str:
    properties = {"title": title}
    if place is not None and place.file:
        file = Path(place.file).absolute()
        inside = file.relative_to(root) if file.is_relative_to(root) else file
        properties["file"] = inside.as_posix()
        if place.line:
            properties["line"] = str(place.line)
    listed = ",".join(f"{name}={_escaped(value)}" for name, value in properties.items())
    return f"::{name} {listed}::{_data(text)}"


def _text(result: Result) -> str:
    lines = [
        result.statement,
        result.left,
        f"Fix: {result.advice}",
        f"More: {command(result.rule)}",
        result.test and f"Test: {result.test}",
    ]
    return "\n".join(line for line in lines if line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
