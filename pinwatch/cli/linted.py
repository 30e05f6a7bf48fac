"""The findings of pinwatch lint in one file."""

from collections.abc import Iterator

from pinwatch.cli.answer import Answer, Judged, script
from pinwatch.cli.findings import problem, result
from pinwatch.cli.formats import Contested
from pinwatch.lint.allowed import Allowed
from pinwatch.lint.sources import Source, Text
from pinwatch.pins.profiles import DEFAULT
from pinwatch.reports.result import Problem, Result


def findings(source: Source, contested: Contested) -> Iterator[Result | Problem]:
    """Yield what pins in a file, and what could not be judged, in its order."""
    allowed = Allowed(source.content)
    for text in source.texts:
        for one in script(text.sql, DEFAULT).judged:
            moved = _moved(one, text, source)
            answer = Answer(source.content, [moved])
            first, last = _lines(source, moved, text)
            for judged, finding in answer.findings:
                if not allowed.allows(finding.rule, first, last):
                    yield result(answer.text, source.name, contested, judged, finding)
            if one.is_unknown and source.is_script:
                yield problem(answer.text, source.name, moved)


def _moved(one: Judged, text: Text, source: Source) -> Judged:
    """Return the verdict at its place in the file.

    A string with escapes is not in the file as it is: it stands where it begins.
    """
    verbatim = source.content.startswith(text.sql, text.position) or source.is_script
    position = text.position + (one.position if verbatim else 0)
    return Judged(one.verdict, position, one.unseen)


def _lines(source: Source, one: Judged, text: Text) -> tuple[int, int]:
    """Return the numbers of the first and the last line of a statement."""
    before = source.content.count("\n", 0, one.position)
    end = min(one.position + len(one.verdict.text), text.end)
    following = source.content.find("\n", end)
    last = source.content.count("\n", 0, following if following >= 0 else end)
    return before + 1, last + 1
