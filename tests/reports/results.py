"""A result to make others of."""

from typing import Final

from pinwatch.reports.result import Level, Place, Result

RESULT: Final = Result(
    rule="set",
    level=Level.ERROR,
    statement="SET a.b = 1",
    digest="set a.b = $1",
    reason="SQL changed it.",
    advice="Do not.",
)
PLACE: Final = Place("app/db.py", 3, "pay", 1, 4)
