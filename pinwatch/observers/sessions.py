"""Client sessions as JSON documents.

Owns the names of their states: those of PostgreSQL's ``pg_stat_activity``, and two of
the proxy alone, ``starting`` and ``waiting`` (for a database connection).
"""

from datetime import datetime
from time import monotonic
from typing import Any, Final, Literal, Self

from pinwatch.observers.schemas import Answer, Event
from pinwatch.relay.client_session import ClientSession, Phase
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.wire.messages import FAILED_TRANSACTION, IDLE, IN_TRANSACTION

State = Literal[
    "starting",
    "waiting",
    "active",
    "idle",
    "idle in transaction",
    "idle in transaction (aborted)",
]
STATES_BETWEEN_REQUESTS: Final[dict[int, State]] = {
    IDLE: "idle",
    IN_TRANSACTION: "idle in transaction",
    FAILED_TRANSACTION: "idle in transaction (aborted)",
}
"""The state between two requests, by the status in the last ReadyForQuery."""


class Session(Answer):
    """A client connection."""

    client_connection: int
    """The client connection, as the log numbers it."""

    db_connection: int | None
    """The borrowed database connection, or null."""

    endpoint: str
    """The name of the endpoint."""

    address: str
    encrypted: bool
    user: str
    database: str
    application_name: str

    connected_at: datetime
    age: float
    """Seconds since connected_at."""

    state: State
    pinned: bool
    pinned_seconds: float | None
    """Seconds since the pin, whose time is in pin; null if not pinned."""

    rules: tuple[str, ...]
    """The rules that pinned it or would have; the first one did."""

    pin: Event | None
    """The statement that pinned it."""

    held: dict[str, dict[str, str]]
    """The state on its database connection: by kind, names with values."""

    @classmethod
    def of(cls, session: ClientSession) -> Self:
        user, database = (_text(name) for name in session.key)
        connection, pinning = session.connection, session.pinning
        event, now = pinning.event, monotonic()
        return cls(
            client_connection=session.number,
            db_connection=None if connection is None else connection.number,
            endpoint=session.endpoint.name,
            address=session.address,
            encrypted=session.encryption is not None,
            user=user,
            database=database,
            application_name=session.application_name,
            connected_at=session.connected_at,
            age=now - session.connected,
            state=state(session),
            pinned=pinning.pinned,
            pinned_seconds=now - pinning.since if pinning.pinned else None,
            rules=tuple(pinning.rules),
            pin=None if event is None else Event(**event.values()),
            held=pinning.state.snapshot(),
        )


def described(session: ClientSession) -> dict[str, Any]:
    return Session.of(session).model_dump(mode="json")


def state(session: ClientSession) -> State:
    if session.phase is not Phase.READY:
        return "starting"
    if session.waiting:
        return "waiting"
    connection = session.connection
    if not isinstance(connection, DatabaseConnection):
        return "idle"
    if session.stream.passing or not connection.replies.settled():
        return "active"
    return STATES_BETWEEN_REQUESTS[connection.stream.status]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
