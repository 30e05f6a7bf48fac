"""A session whose every transaction gets the other one of two database connections."""

from typing import Any, Final

from tests.live.clients import Clients
from tests.wireclient import (
    SYNC,
    Reply,
    Value,
    WireClient,
    bind,
    execute,
    parse,
)

ECHO: Final = "SELECT pg_backend_pid(), $1::text"
UNKNOWN: Final = [("ERROR", "26000", 'prepared statement "s" does not exist')]


class Swapped:
    """Of a proxy with two database connections.

    ``run`` notes which server processes answered: a test of it proves something only
    if ``pids`` are two.
    """

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.rivals = clients.rivals()
        self.client = clients()
        self.pids: set[Value] = set()

    def swap(self) -> None:
        self.rivals.swap()

    def ask(self, *sent: bytes, by: WireClient | None = None) -> Reply:
        """The answer from one database connection; the next is from the other."""
        reply = (by or self.client).ask(*sent)
        self.swap()
        return reply

    def run(self, name: str, *values: Value, by: WireClient | None = None) -> Reply:
        """The same of a statement whose first column is pg_backend_pid()."""
        reply = self.ask(bind(name, *values), execute(), SYNC, by=by)
        self.note(reply)
        return reply

    def prepare(self, name: str, text: str, by: WireClient | None = None) -> None:
        assert self.ask(parse(name, text), SYNC, by=by).kinds == "1Z"

    def note(self, reply: Reply) -> None:
        """Remember which server process answered."""
        self.pids.update(row[0] for row in reply.rows)

    def note_server(self) -> None:
        """The same of the one that has answered last."""
        self.note(self.client.query("SELECT pg_backend_pid()"))

    def kept(self) -> list[Value]:
        """What is prepared on the connection that answered last."""
        reply = self.client.query("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in reply.rows]


def values(reply: Reply) -> list[Any]:
    """The second column."""
    return [row[1] for row in reply.rows]
