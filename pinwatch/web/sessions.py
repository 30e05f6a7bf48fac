"""Client sessions as JSON.

Owns the names of their states: PostgreSQL's of ``pg_stat_activity``, and two more for
what a proxy alone has, ``starting`` and ``waiting`` for a database connection.
"""

from dataclasses import asdict
from typing import Any, Final

from pinwatch.database import DatabaseConnection
from pinwatch.session import ClientSession, Phase
from pinwatch.wire.messages import FAILED_TRANSACTION, IDLE, IN_TRANSACTION

BETWEEN: Final = {
    IDLE: "idle",
    IN_TRANSACTION: "idle in transaction",
    FAILED_TRANSACTION: "idle in transaction (aborted)",
}
"""Between two requests, by what the server's last ReadyForQuery said."""


def described(session: ClientSession) -> dict[str, Any]:
    user, database = (_text(name) for name in session.key)
    connection, pinning = session.connection, session.pinning
    return {
        "client_connection": session.number,
        "db_connection": None if connection is None else connection.number,
        "address": session.address,
        "encrypted": session.encryption is not None,
        "user": user,
        "database": database,
        "application_name": _text(
            session.client.told.values.get(b"application_name", b"")
        ),
        "state": state(session),
        "pinned": pinning.pinned,
        "rules": list(pinning.rules),
        "pin": None
        if pinning.event is None
        else asdict(pinning.event) | {"at": pinning.event.at.isoformat()},
        "held": pinning.state.snapshot(),
    }


def state(session: ClientSession) -> str:
    if session.phase is not Phase.READY:
        return "starting"
    if session.waiting:
        return "waiting"
    connection = session.connection
    if not isinstance(connection, DatabaseConnection):
        return "idle"
    if session.requests.passing or not connection.replies.settled():
        return "active"
    return BETWEEN[connection.responses.status]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
