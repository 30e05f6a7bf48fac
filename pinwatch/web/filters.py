"""The filters that the lists of pins and of leaks share."""

from typing import Annotated, Final

from pydantic import Field

from pinwatch.events import SessionPinned, StateLeaked
from pinwatch.web.parameters import Parameters, Time

MAX_LIMIT: Final = 1_000_000


class Filters(Parameters):
    """Filters by client and time. An event must match all of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None = None
    """Maximum number of results. Default: all."""

    user: str | None = None
    database: str | None = None

    application: str | None = None
    """The client's application_name."""

    partial: bool = False
    """Match a part of user, database and application, in any case."""

    since: Time | None = None
    """Results from this time on: ISO 8601, in UTC unless it has an offset."""

    client: int | None = None
    """Number of the client connection."""

    def match(self, event: SessionPinned | StateLeaked) -> bool:
        is_named = _is_part if self.partial else _is
        return (
            is_named(self.user, event.user)
            and is_named(self.database, event.database)
            and is_named(self.application, event.application_name)
            and (self.since is None or self.since <= event.at)
            and self.client in (None, event.client)
        )


def _is(wanted: str | None, name: str) -> bool:
    return wanted in (None, name)


def _is_part(wanted: str | None, name: str) -> bool:
    return wanted is None or wanted.lower() in name.lower()
