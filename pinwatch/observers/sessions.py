"""Client sessions as JSON documents.

Owns the names of their states: those of PostgreSQL's ``pg_stat_activity``, and two of
the proxy alone, ``starting`` and ``waiting`` (for a database connection).
"""

from datetime import datetime
from typing import Any, Final, Literal, Self

from pinwatch.observers.schemas import Answer, Event
from pinwatch.relay.client_session import ClientSession, Phase
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
    """A client session."""

    client_connection: int
    """Number of the client connection, as in the log."""

    db_connection: int | None
    """Number of the database connection that the session borrows."""

    endpoint: str
    """Name of the endpoint that the client connected to."""

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
    """Seconds since the session was pinned."""

    rules: tuple[str, ...]
    """All rules that the session met, the one that pinned it first."""

    pin: Event | None
    """The statement that pinned the session."""

    held: dict[str, dict[str, str]]
    """State that the session keeps on its database connection: names and values by
    kind."""

    @classmethod
    def of(cls, session: ClientSession) -> Self:
        user, database = (_text(name) for name in session.key[:2])
        connection, pinning = session.connection, session.pinning
        event, now = pinning.event, session.clock.now
        return cls(
            client_connection=session.number,
            db_connection=None if connection is None else connection.number,
            endpoint=session.endpoint.name,
            address=session.address,
            encrypted=session.encrypted,
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
    if connection is None:
        return "idle"
    if session.stream.passing or not connection.replies.settled():
        return "active"
    return STATES_BETWEEN_REQUESTS[connection.stream.status]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
