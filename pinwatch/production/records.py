"""The records that files from production hold, whatever their format.

Times are in UTC. A time is None if the file does not have it; a client is the number
in ``[clientConnection=...]``, and empty if the line does not have it.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pinned:
    """A line that says that a session was pinned. id is CloudWatch's id of the line.

    ``ahead`` is true if the session will be pinned only if a prepared statement runs,
    ``cut_off`` if the line has only the beginning of the digest.
    """

    at: datetime | None
    client: str
    reason: str
    digest: str = ""
    id: str = ""
    ahead: bool = False
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """A line that says that a client connected from a host."""

    at: datetime | None
    client: str
    host: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A line that says that a client's connection closed."""

    at: datetime | None
    client: str


@dataclass(frozen=True, slots=True)
class Executed:
    """A statement that a database ran ``calls`` times.

    ``normalised`` is true if placeholders stand for its constants: what was sent may
    have been longer. ``detail`` is what PostgreSQL logged with the statement, such as
    the values of its parameters. Texts that the file does not have are empty.
    """

    sql: str
    calls: int = 1
    at: datetime | None = None
    application: str = ""
    normalised: bool = False
    session: str = ""
    role: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A text with its constants that a session sent."""

    at: datetime | None
    session: str
    role: str
    sql: str


Record = Pinned | Connected | Disconnected | Executed | Sent
