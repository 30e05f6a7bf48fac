"""pinwatch, the local Amazon RDS Proxy for PostgreSQL.

Its words, from the manuals of AWS and PostgreSQL:

proxy
    What clients connect to in the database's place; it has one or more endpoints.
target
    The PostgreSQL server behind the proxy.
client connection, client session
    A client's socket, and what the proxy knows of it from its first message to
    its last.
database connection
    A socket from the proxy to the target, kept in the pool.
borrow, give back
    A session takes a database connection for one transaction and returns it.
pin
    A session that changed the state of its database connection keeps it until
    the session ends. There is no unpin. What would have pinned a session that was
    pinned already is a later pin, and not the first.
transaction status
    What the target's ReadyForQuery says: idle (I), in a transaction (T), in a
    failed one (E).
digest
    A statement with its constants replaced, as RDS Proxy logs it.
message, chunk
    A unit of PostgreSQL's protocol; the bytes that one read of a socket brought.
"""

from typing import TYPE_CHECKING, Any

from pinwatch.version import __version__ as __version__

if TYPE_CHECKING:
    from pinwatch.testing.background import Proxy as Proxy
    from pinwatch.testing.unittest_case import PinwatchTestCase as PinwatchTestCase

__all__ = ["PinwatchTestCase", "Proxy", "__version__"]

_LATER = {
    "PinwatchTestCase": "pinwatch.testing.unittest_case",
    "Proxy": "pinwatch.testing.background",
}
"""Public names by the modules that have them, imported when somebody asks."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
