"""The findings of pinwatch lint in one file."""

from collections.abc import Iterator

from pinwatch.cli.answer import Judged, script
from pinwatch.cli.findings import problem, result
from pinwatch.cli.formats import Contested
from pinwatch.lint.allowed import Allowed, Lines
from pinwatch.lint.sources import Source, Text
from pinwatch.pins.carets import line_and_columns
from pinwatch.pins.profiles import DEFAULT
from pinwatch.reports.result import Problem, Result


def findings(source: Source, contested: Contested) -> Iterator[Result | Problem]:
    """Yield what pins in a file, and what could not be judged, in its order."""
    allowed = Allowed(source.content)
    for text, one in _judged(source):
        spans = _lines(source.content, one, text), text.lines
        for finding in one.verdict.by_certainty:
            if not allowed.allows(finding.rule, *spans):
                yield result(source.content, source.name, contested, one, finding)
        if one.is_unknown:
            yield problem(source.content, source.name, one)


def _judged(source: Source) -> Iterator[tuple[Text, Judged]]:
    """Yield the verdicts that matter, each with the text that has its statement."""
    for text in source.texts:
        for one in script(text.sql, DEFAULT).judged:
            is_no_sql = one.is_refused and text.is_complete
            pins = one.verdict.findings and not is_no_sql
            if pins or (one.is_unknown and source.is_script):
                yield text, _moved(one, text)


def _moved(one: Judged, text: Text) -> Judged:
    """Return the verdict at its place in the file.

    A string with escapes is not in the file as it is: it stands where it begins.
    """
    position = text.position + (one.position if text.is_verbatim else 0)
    return Judged(one.verdict, position, one.unseen)


def _lines(content: str, one: Judged, text: Text) -> Lines:
    """Return the first and the last line of a statement."""
    end = min(one.position + len(one.verdict.text), text.end)
    if not text.is_verbatim:
        end = text.end
    first, *_ = line_and_columns(content, one.position, one.position)
    last, *_ = line_and_columns(content, end, end)
    return first, last
