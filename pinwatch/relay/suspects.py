"""Statements of a session that may leave hidden state on its database connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pinwatch.relay.parameters import Values

MAX_SUSPECTS: Final = 100
"""The maximum number of different suspects that are kept for one borrow."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A statement that may run code which RDS Proxy does not see, and its session.

    number is that of its ``events.UnseenCodeRuns``. text is the text of the request,
    and statements are those in it that run such code; both are empty for a
    FunctionCall, whose function has the object identifier oid. parameters are the
    session's startup parameters.
    """

    number: int
    client: int
    user: str
    database: str
    application_name: str
    parameters: Values
    text: str = ""
    statements: tuple[str, ...] = ()
    digest: str = ""
    tags: Mapping[str, str] | None = None
    oid: int = 0
