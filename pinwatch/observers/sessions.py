"""Client sessions as JSON documents.

Owns the names of their states: those of PostgreSQL's ``pg_stat_activity``, and two
that only a proxy has, ``starting`` and ``waiting`` (for a database connection).
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
BETWEEN: Final[dict[int, State]] = {
    IDLE: "idle",
    IN_TRANSACTION: "idle in transaction",
    FAILED_TRANSACTION: "idle in transaction (aborted)",
}
"""Between two requests, by what the server's last ReadyForQuery said."""


class Session(Answer):
    """A client connection."""

    client_connection: int
    """As the log numbers it."""

    db_connection: int | None
    """The database connection that it borrows."""

    endpoint: str
    """Where it connected."""

    address: str
    encrypted: bool
    user: str
    database: str
    application_name: str

    connected_at: datetime
    age: float
    """Seconds since then."""

    state: State
    pinned: bool
    pinned_seconds: float | None
    """How long it is pinned; since when is in pin."""

    rules: tuple[str, ...]
    """Of all that would have pinned it, the one that did first."""

    pin: Event | None
    """The statement that pinned it."""

    held: dict[str, dict[str, str]]
    """What it keeps on its database connection: names with their values, by kind."""

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
    return BETWEEN[connection.stream.status]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
