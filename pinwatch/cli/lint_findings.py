"""The findings of pinwatch lint in files, and the statements it could not judge."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pinwatch.cli.answer import Judged, script
from pinwatch.cli.findings import problem, result
from pinwatch.cli.formats import Contested, Leaks
from pinwatch.cli.lint_leaks import Leak, leaks_of
from pinwatch.cli.lint_verdict import Migration, hazards
from pinwatch.lint.allowed import Allowed, Lines
from pinwatch.lint.migrations import migration_tool
from pinwatch.lint.project import project_path
from pinwatch.lint.sources import Source, Text
from pinwatch.pins.carets import line_and_columns
from pinwatch.pins.profiles import DEFAULT
from pinwatch.reports.result import Level, Problem, Result


class Linted:
    """The findings in the files so far; ``files`` are the names of those read.

    Findings that are allowed are among the results, and suppressed.
    """

    def __init__(self, contested: Contested, leaks: Leaks = Leaks.REPORT) -> None:
        self.contested = contested
        self.leaks = leaks
        self.files: list[str] = []
        self.results: list[Result] = []
        self.problems: list[Problem] = []
        self.migrations: list[Migration] = []

    def add(self, source: Source, allowed: frozenset[str] = frozenset()) -> None:
        """Add a file, in which pins by some rules are allowed."""
        self.files.append(source.name)
        tool = migration_tool(project_path(source.name), source.content)
        comments = Allowed(source.content)
        unjudged, found = 0, list[str]()
        for text, judged in _judged(source):
            one = replace(judged, position=text.source_position(judged.position))
            leaks = list(leaks_of(source.name, source.content, text, judged))
            spans = _lines(source.content, one, text), text.lines
            self.results += (
                _marked(result, comments, allowed, spans)
                for result in self._results(source, text, one, leaks)
            )
            unjudged += one.is_unknown or bool(one.unseen)
            if one.is_unknown:
                self.problems.append(problem(source.content, source.name, one))
            if tool is not None:
                found += hazards(source.content, one, leaks)
        if tool is not None:
            size = len(source.content.encode("utf-8", "replace"))
            self.migrations.append(Migration(source.name, tool, size, found, unjudged))

    def _results(
        self, source: Source, text: Text, one: Judged, leaks: Iterable[Leak]
    ) -> Iterator[Result]:
        for finding in one.verdict.by_certainty:
            found = result(source.content, source.name, self.contested, one, finding)
            if not text.is_verbatim:
                found = replace(found, statement=finding.statement)
            yield found
        for leak in leaks:
            yield leak.result(self.leaks)


def _marked(
    found: Result, comments: Allowed, allowed: frozenset[str], spans: Iterable[Lines]
) -> Result:
    """Return the result, suppressed if the settings or a comment allow it."""
    if found.rule in allowed:
        return replace(found, level=Level.NOTE, suppression="external")
    if comments.allows(found.rule, *spans):
        return replace(found, level=Level.NOTE, suppression="inSource")
    return found


def _judged(source: Source) -> Iterator[tuple[Text, Judged]]:
    """Yield the verdicts, each with the text in whose SQL its position is.

    A string of Python that is no SQL has none.
    """
    for text in source.texts:
        for one in script(text.sql, DEFAULT).judged:
            is_no_sql = one.is_refused and text.is_complete
            if not is_no_sql and (source.is_script or not one.is_unknown):
                yield text, one


def _lines(content: str, one: Judged, text: Text) -> Lines:
    """Return the first and the last line of a statement."""
    end = min(one.position + len(one.text), text.end)
    if not text.is_verbatim:
        end = text.end
    first, *_ = line_and_columns(content, one.position, one.position)
    last, *_ = line_and_columns(content, end, end)
    return first, last
