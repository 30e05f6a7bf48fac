"""The state that bodies of functions and DO blocks in files leave on a connection.

A DO block leaves it when the statement runs, a function only when it is called.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pinwatch.cli.answer import Judged
from pinwatch.cli.formats import Leaks
from pinwatch.hidden.bodies import DO, Left, read_body
from pinwatch.hidden.wording import kind_of, reason, state, way_out
from pinwatch.lint.sources import Text
from pinwatch.pins.carets import line_and_columns, line_starts
from pinwatch.pins.digest import digest
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.reports.result import Level, Place, Result


@dataclass(frozen=True, slots=True)
class Leak:
    """State that a body leaves, and the line of its SQL."""

    left: Left
    place: Place

    @property
    def is_immediate(self) -> bool:
        """Return True if the statement itself leaves it."""
        return self.left.code == DO

    @property
    def state(self) -> str:
        """The words for the state, as in "the setting app.tenant"."""
        return state(kind_of(self.left.kind, self.left.name), self.left.name)

    def result(self, leaks: Leaks) -> Result:
        left = self.left
        counts = self.is_immediate or leaks is Leaks.FAIL
        return Result(
            rule=HIDDEN_STATE,
            level=Level.ERROR if counts else Level.WARNING,
            statement=left.sql,
            digest=digest(left.sql),
            reason=reason(left, left.code),
            advice=way_out(kind_of(left.kind, left.name)),
            places=(self.place,),
        )


def leaks_of(name: str, content: str, text: Text, one: Judged) -> Iterator[Leak]:
    """Yield what the bodies in a statement of the text leave.

    The name and the content are those of the file.
    """
    if one.is_refused:
        return
    starts = line_starts(one.text)
    for left in read_body(one.text).left:
        position = text.source_position(one.position + starts[left.line - 1])
        yield Leak(left, _place(name, content, position))


def _place(name: str, content: str, position: int) -> Place:
    """Return the rest of the line at a position, without the space around it."""
    line_end = content.find("\n", position)
    rest = content[position:] if line_end < 0 else content[position:line_end]
    start = position + len(rest) - len(rest.lstrip())
    line, column, end = line_and_columns(content, start, position + len(rest.rstrip()))
    return Place(name, line, "", column, end)
