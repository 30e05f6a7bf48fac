"""Pins and digests as JSON, for who asks over HTTP, and for the event log."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

from pinwatch import events
from pinwatch.observers import digests, pin_history

EVENT: Final = tuple(field.name for field in fields(events.SessionPinned))


def of_event(event: events.SessionPinned) -> dict[str, Any]:
    return {name: getattr(event, name) for name in EVENT}


class Answer(BaseModel):
    """Base of the models that the HTTP API returns as JSON."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Event(Answer):
    """A statement that pins a session."""

    at: datetime
    """Time when the statement ran."""

    client: int
    """Number of the client connection, as in the log."""

    connection: int
    """Number of the database connection, as in the log."""

    rule: str
    """Rule of docs/behaviour.md that pins."""

    contested: str
    """Both readings if it is contested that RDS Proxy pins here, else empty."""

    reason: str
    """Reason in RDS Proxy's own words."""

    digest: str
    """Text with its constants replaced, as RDS Proxy logs it."""

    sql: str
    """Text of the whole request, at most 2,048 characters."""

    statement: str
    """The statement in it that pins, at most 2,048 characters."""

    trigger: tuple[int, int]
    """Start and end of the words that pin, in characters of the whole text."""

    user: str
    database: str
    application_name: str

    tags: dict[str, str]
    """Tags from sqlcommenter's or marginalia's comments in the text."""

    transaction_status: str
    """Status before the statement ran: I is idle, T in a transaction, E in a failed
    transaction."""

    advice: str
    """How to avoid the pin."""

    first: bool
    """Whether this statement pinned the session. If not, the session was pinned
    already, and RDS Proxy neither logs nor counts this one."""


class Pin(Event):
    """A statement that pins a session, with how long the session was pinned."""

    id: int
    """Number of the pin, from 1 at each start of the proxy."""

    until: datetime | None
    """Time when the session ended; null while it is pinned."""

    pinned_seconds: float
    """Seconds from the statement to the end of the session, or until now."""

    @classmethod
    def of(cls, pin: pin_history.Pin, now: float) -> Self:
        return cls(
            id=pin.id,
            until=pin.until,
            pinned_seconds=pin.seconds_at(now),
            **of_event(pin.event),
        )


class Digest(Answer):
    """All pins with the same digest and rule."""

    digest: str
    """Text without comments, with its constants replaced, and with # for generated
    numbers in names."""

    sql: str
    """Text of the latest request, at most 2,048 characters."""

    rule: str
    """Rule of docs/behaviour.md that pins."""

    contested: str
    """Both readings if it is contested that RDS Proxy pins here, else empty."""

    count: int
    """Number of pins."""

    later: int
    """Number of pins in sessions that were pinned already."""

    pinned_seconds: float
    """Sum of the seconds that these sessions were pinned, including those that still
    are."""

    peak_connections: int
    """Most database connections that these sessions kept at a time."""

    first_seen: datetime
    """Time of the first pin."""

    last_seen: datetime
    """Time of the latest pin."""

    advice: str
    """How to avoid the pin."""

    @classmethod
    def of(cls, digest: digests.Digest, now: float) -> Self:
        latest = digest.latest
        return cls(
            digest=digest.text,
            sql=latest.sql,
            rule=latest.rule,
            contested=latest.contested,
            count=digest.count,
            later=digest.later,
            pinned_seconds=digest.seconds_at(now),
            peak_connections=digest.peak_connections,
            first_seen=digest.first_seen,
            last_seen=latest.at,
            advice=latest.advice,
        )
