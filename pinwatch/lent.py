"""Where the database connections of a pool are, when somebody waited for one in vain.

Owns the count, which is made then and not before. Does not know who waited.
"""

from collections import Counter

from pinwatch.database import DatabaseConnection
from pinwatch.events import Lent
from pinwatch.lending import Connection
from pinwatch.pool import Pool
from pinwatch.session import ClientSession


def lent(pool: Pool) -> Lent:
    borrowed = pool.borrowed
    rules = filter(None, map(_rule, borrowed))
    return Lent(pool.max_connections, len(borrowed), Counter(rules))


def _rule(connection: Connection) -> str | None:
    """By which the session that has it is pinned."""
    assert isinstance(connection, DatabaseConnection)
    session = connection.session
    if not isinstance(session, ClientSession) or session.pinning.event is None:
        return None
    return session.pinning.event.rule
