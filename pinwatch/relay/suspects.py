"""Statements of a session that may leave hidden state on its database connection."""

from dataclasses import dataclass
from typing import Final

from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import Values

MAX_SUSPECTS: Final = 100
"""The maximum number of different suspects that are kept for one borrow."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A request that may run code which RDS Proxy does not see, and its session.

    number is that of its ``events.UnseenCodeRuns``. The verdict is that on its text; a
    FunctionCall has none, and the object identifier of its function. parameters are the
    session's startup parameters.
    """

    number: int
    client: int
    user: str
    database: str
    application_name: str
    parameters: Values
    verdict: Verdict
    oid: int = 0
