"""The findings in a text as a report for other programs."""

from pinwatch.cli.answer import NOT_JUDGED, Answer, Judged
from pinwatch.cli.formats import Contested, level
from pinwatch.pins.carets import line_and_columns
from pinwatch.pins.senders import advise
from pinwatch.pins.verdict import Finding
from pinwatch.reports.result import Place, Problem, Report, Result


def report(answer: Answer, file: str, contested: Contested) -> Report:
    """Return the report; file is empty if the text came from elsewhere."""
    results = [
        result(answer.text, file, contested, *found) for found in answer.findings
    ]
    problems = [
        problem(answer.text, file, one) for one in answer.judged if one.is_unknown
    ]
    return Report("pinwatch explain", results, problems)


def result(
    text: str, file: str, contested: Contested, one: Judged, finding: Finding
) -> Result:
    """Return a finding in a text, which is that of a file."""
    start = one.position + finding.position
    trigger = (one.position + at for at in finding.trigger)
    return Result(
        rule=finding.rule,
        level=level(finding.contested, contested),
        statement=text[start : start + len(finding.statement)],
        digest=one.verdict.digest,
        reason=one.verdict.reason(finding),
        advice=advise(one.verdict, finding).text,
        contested=str(finding.readings or ""),
        places=(_place(text, file, *trigger),),
    )


def problem(text: str, file: str, one: Judged) -> Problem:
    """Return a statement that could not be judged."""
    end = one.position + len(one.verdict.text)
    return Problem(
        NOT_JUDGED.format(one.verdict.error),
        text[one.position : end],
        _place(text, file, one.position, end),
    )


def _place(text: str, file: str, start: int, end: int) -> Place:
    line, column, end_column = line_and_columns(text, start, end)
    return Place(file, line, "", column, end_column)
