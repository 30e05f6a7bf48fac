"""Results to make others of."""

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
LEAK: Final = Result(
    rule="hidden_state",
    level=Level.WARNING,
    statement="SELECT login('42')",
    digest="select login($1)",
    reason="login() leaves the setting app.tenant = '42'.",
    advice="SET LOCAL ends with the transaction.",
)
PLACE: Final = Place("app/db.py", 3, "pay", 1, 4)
