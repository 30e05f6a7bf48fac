"""Pins, digests and leaks as JSON, for the HTTP API and the event log."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from pinwatch import events
from pinwatch.hidden.wording import state
from pinwatch.observers import digests, leak_history, pin_history
from pinwatch.observers.source import source


class Answer(BaseModel):
    """A JSON document of the HTTP API."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


A = TypeVar("A", bound=Answer)


def with_fields_of(event: type) -> Callable[[type[A]], type[A]]:
    """Return a class decorator that adds a dataclass's fields and descriptions."""
    types = get_type_hints(event)
    properties = TypeAdapter(event).json_schema()["properties"]
    definitions: dict[str, Any] = {
        name: (types[name], Field(description=described["description"]))
        for name, described in properties.items()
    }

    def extend(model: type[A]) -> type[A]:
        return create_model(
            model.__name__,
            __base__=model,
            __doc__=model.__doc__,
            __module__=model.__module__,
            **definitions,
        )

    return extend


@with_fields_of(events.SessionPinned)
class Event(Answer):
    """A statement that pins a session."""


class Pin(Event):
    """A statement that pins a session, with how long the session was pinned."""

    id: int
    """Number of the pin, from 1 at each start of the proxy."""

    digest_id: str
    """The id of its digest in /api/digests."""

    source: str
    """Line of the application by the tags, such as app/db.py:30, or else the name of
    the function, the controller or the route; empty without such tags."""

    until: datetime | None
    """Time when the session ended; null while it is pinned."""

    pinned_seconds: float
    """Seconds from the statement to the end of the session, or until now."""

    @classmethod
    def of(cls, pin: pin_history.Pin, now: float) -> Self:
        return cls(
            id=pin.id,
            digest_id=pin.digest_id,
            source=str(source(pin.event.tags)),
            until=pin.until,
            pinned_seconds=pin.seconds_at(now),
            **pin.event.values(),
        )


class Digest(Answer):
    """All pins with the same digest and rule."""

    id: str
    """Identifier, the same in each run of the proxy."""

    digest: str
    """Text without comments, with its constants replaced, and with # for generated
    numbers in names."""

    sql: str
    """Text of the latest request, at most 2,048 characters."""

    trigger: tuple[int, int]
    """Start and end of the words in sql that pin, in characters."""

    tags: Mapping[str, str]
    """Tags in the comments of the latest request."""

    source: str
    """Line of the application by these tags, as in a pin."""

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

    connections: int
    """Database connections that these sessions keep now."""

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
            id=digest.id,
            digest=digest.text,
            sql=latest.sql,
            trigger=latest.trigger,
            tags=latest.tags,
            source=str(source(latest.tags)),
            rule=latest.rule,
            contested=latest.contested,
            count=digest.count,
            later=digest.later,
            pinned_seconds=digest.seconds_at(now),
            connections=len(digest.held),
            peak_connections=digest.peak_connections,
            first_seen=digest.first_seen,
            last_seen=latest.at,
            advice=latest.advice,
        )


@with_fields_of(events.StateLeaked)
class Leak(Answer):
    """State that a statement left on its database connection, unseen by RDS Proxy."""

    id: int
    """Number of the leak, from 1 at each start of the proxy."""

    state: str
    """The state as a phrase, as in: the setting app.tenant = '42'."""

    source: str
    """Line of the application by the tags, as in a pin."""

    @classmethod
    def of(cls, leak: leak_history.Leak) -> Self:
        event = leak.event
        return cls(
            id=leak.id,
            state=state(event.kind, event.name, event.value),
            source=str(source(event.tags)),
            **event.values(),
        )
