"""Two clients that make a third one change its database connection.

The pool has two connections, and the one used last is borrowed first. One rival always
keeps a connection in a transaction. ``swap`` begins a transaction of the other rival,
on the connection that the client under test used last, and then ends that of the first
rival: the client gets the other connection for its next transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness import Endpoint
from tests.wireclient import WireClient


class Rivals:
    """Two clients of a proxy with two database connections."""

    def __init__(self, free: WireClient, holder: WireClient) -> None:
        self.free = free
        self.holder = holder
        self.holder.query("BEGIN")

    def swap(self) -> None:
        assert self.free.query("BEGIN").status == "T"
        assert self.holder.query("COMMIT").status == "I"
        self.free, self.holder = self.holder, self.free


@contextmanager
def rivals(endpoint: Endpoint) -> Iterator[Rivals]:
    with WireClient.login(endpoint) as free, WireClient.login(endpoint) as holder:
        yield Rivals(free, holder)
