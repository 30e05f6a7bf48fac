"""pinwatch, the local Amazon RDS Proxy for PostgreSQL.

Its terms, from the manuals of AWS and PostgreSQL:

proxy
    The server that clients connect to instead of the database; it has one or more
    endpoints.
target
    The PostgreSQL server behind the proxy.
client connection, client session
    A client's socket, and the proxy's state for it from the first message to the
    last.
database connection
    A socket from the proxy to the target, kept in the pool.
borrow, give back
    A session takes a database connection for one transaction and returns it.
pin
    A session that changed the state of its database connection keeps it until
    the session ends. Nothing unpins it. A later pin is a statement that pins, in a
    session that is pinned already.
transaction status
    The status in the target's ReadyForQuery: idle (I), in a transaction (T), in a
    failed transaction (E).
digest
    A statement with its constants replaced, as RDS Proxy logs it.
message, chunk
    A unit of PostgreSQL's protocol; the bytes that one read of a socket returned.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinwatch.testing.background import Proxy as Proxy
    from pinwatch.testing.unittest_case import PinwatchTestCase as PinwatchTestCase
    from pinwatch.version import __version__ as __version__

__all__ = ["PinwatchTestCase", "Proxy", "__version__"]

_LATER = {
    "PinwatchTestCase": "pinwatch.testing.unittest_case",
    "Proxy": "pinwatch.testing.background",
    "__version__": "pinwatch.version",
}
"""Public names and their modules, which are imported on first use."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
