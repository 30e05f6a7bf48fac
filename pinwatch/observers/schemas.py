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
    """What is told, in JSON, of something."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Event(Answer):
    """A statement after which a session keeps its database connection."""

    at: datetime
    """When it ran."""

    client: int
    """The client connection, as the log numbers it."""

    connection: int
    """The database connection, as the log numbers it."""

    rule: str
    """The rule of docs/behaviour.md."""

    contested: str
    """Both readings, where it is not settled that RDS Proxy pins; empty elsewhere."""

    reason: str
    """RDS Proxy's own sentences."""

    digest: str
    """The text with its constants replaced, as RDS Proxy logs it."""

    sql: str
    """The whole text of the request; its first 2,048 characters."""

    statement: str
    """The statement in it that pins; its first 2,048 characters."""

    trigger: tuple[int, int]
    """Where the words that pin begin and end in the whole text, in characters."""

    user: str
    database: str
    application_name: str

    tags: dict[str, str]
    """Of sqlcommenter's and marginalia's comments in the text."""

    transaction_status: str
    """Before the statement ran: I is idle, T in a transaction, E in a failed one."""

    advice: str
    """What to do about it."""

    first: bool
    """Whether this pinned the session. Without, it was pinned already, and would have
    been by this: RDS Proxy neither logs nor counts it."""


class Pin(Event):
    """A client session that keeps its database connection until it ends."""

    id: int
    """From 1 at each start of the proxy."""

    until: datetime | None
    """When the session ended; null as long as it is pinned."""

    pinned_seconds: float
    """How long the session was pinned from then on, or is so far."""

    @classmethod
    def of(cls, pin: pin_history.Pin, now: float) -> Self:
        return cls(
            id=pin.id,
            until=pin.until,
            pinned_seconds=pin.seconds_at(now),
            **of_event(pin.event),
        )


class Digest(Answer):
    """Pins with the same digest and rule."""

    digest: str
    """The text with its constants replaced, and # for generated numbers in names;
    without comments."""

    sql: str
    """The whole text of the latest of them; its first 2,048 characters."""

    rule: str
    """The rule of docs/behaviour.md."""

    contested: str
    """Both readings, where it is not settled that RDS Proxy pins; empty elsewhere."""

    count: int
    """How many they are."""

    later: int
    """Of them, those of sessions that were pinned already."""

    pinned_seconds: float
    """How long they were pinned in all, those that still are included."""

    peak_connections: int
    """Database connections that they held at a time, at most."""

    first_seen: datetime
    """When the first of them began."""

    last_seen: datetime
    """When the latest of them began."""

    advice: str
    """What to do about it."""

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
