"""The pools and their clients as JSON."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal, Self

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.observers.schemas import Answer
from pinwatch.observers.sessions import Session
from pinwatch.proxy.proxy import Proxy
from pinwatch.relay.client_session import Phase
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.targets.group import Member
from pinwatch.web.operation import Operation, json_list_response, json_response
from pinwatch.web.parameters import Parameters

State = Literal["idle", "borrowed", "in transaction", "pinned", "opening", "closing"]


class Connection(Answer):
    """A database connection."""

    connection: int
    """Number of the database connection, as in the log."""

    target: str
    """Name of its target."""

    user: str
    database: str

    state: State
    """borrowed means outside a transaction. A pinned connection is pinned in a
    transaction too."""

    client: int | None
    """Number of the client connection that borrows it."""

    application_name: str | None
    """That client's application_name, if it has one."""

    rule: str | None
    """Rule that pinned it."""

    seconds: float
    """Seconds in this state; for a connection in a transaction, seconds since the
    borrow."""

    @classmethod
    def of(cls, connection: DatabaseConnection, state: State, seconds: float) -> Self:
        user, database = (
            name.decode("utf-8", "replace") for name in connection.key[:2]
        )
        session = connection.session
        return cls(
            connection=connection.number,
            target=connection.target,
            user=user,
            database=database,
            state=state,
            client=None if session is None else session.number,
            application_name=(session and session.application_name) or None,
            rule=connection.pinned_by,
            seconds=max(seconds, 0.0),
        )


class Pool(Answer):
    """The database connections to all targets, and the number of clients that share
    them."""

    max_connections: int
    """Cap on database connections."""

    open: int
    """Number of idle and borrowed database connections."""

    idle: int
    borrowed: int
    in_transaction: int
    """Number of borrowed connections in a transaction, including pinned ones."""

    pinned: int
    """Number of borrowed connections that are pinned."""

    clients: int
    """Number of client connections."""

    waiting: int
    """Number of clients that wait for a database connection."""

    connections: list[Connection]

    @classmethod
    def of(cls, proxy: Proxy) -> Self:
        used = [one for pool in proxy.pools for one in pool.used_connections()]
        idle = sum(pool.idle_count for pool in proxy.pools)
        every = chain.from_iterable(map(_connections, proxy.group.members))
        connections = sorted(every, key=lambda one: one.connection)
        return cls(
            max_connections=sum(pool.max_connections for pool in proxy.pools),
            open=idle + len(used),
            idle=idle,
            borrowed=len(used),
            in_transaction=sum(one.in_transaction for one in used),
            pinned=sum(one.state == "pinned" for one in connections),
            clients=len(proxy.sessions),
            waiting=sum(len(pool.waiting) for pool in proxy.pools),
            connections=connections,
        )


def _connections(member: Member) -> Iterator[Connection]:
    pool = member.pool
    now = pool.clock.now
    for one in pool.idle_connections():
        yield Connection.of(one, "idle", now - one.state_since)
    for one in pool.used_connections():
        yield _borrowed(one, now)
    for one in member.connections.opening:
        yield Connection.of(one, "opening", now - one.state_since)
    for one in pool.closing:
        yield Connection.of(one, "closing", now - one.state_since)


def _borrowed(connection: DatabaseConnection, now: float) -> Connection:
    session = connection.session
    if session is not None and session.pinned:
        return Connection.of(connection, "pinned", now - session.pinned_since)
    state: State = "in transaction" if connection.in_transaction else "borrowed"
    return Connection.of(connection, state, now - connection.state_since)


def pool_route(proxy: Proxy) -> Operation:
    async def pool(request: Request) -> Response:
        """Show the pool and each of its database connections."""
        return json_response(Pool.of(proxy))

    return Operation("/api/pool", pool, Pool)


class SessionQuery(Parameters):
    """Filter for sessions."""

    client: int | None = None
    """Number of the client connection."""


def sessions_route(proxy: Proxy) -> Operation:
    async def sessions(request: Request) -> Response:
        """List all client sessions, pinned or not."""
        query = SessionQuery.of(request)
        return json_list_response(
            Session.of(session)
            for session in list(proxy.sessions)
            if session.phase is not Phase.CLOSED
            and query.client in (None, session.number)
        )

    return Operation(
        "/api/sessions",
        sessions,
        Session,
        several=True,
        query=SessionQuery,
        errors=(400,),
    )
