"""A session that alternates between two database connections."""

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
    """A session that changes its database connection after each transaction.

    ``run`` notes the server processes in ``pids``. A test is only valid with two.
    """

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.rivals = clients.rivals()
        self.client = clients()
        self.pids: set[Value] = set()

    def swap(self) -> None:
        self.rivals.swap()

    def ask(self, *sent: bytes, by: WireClient | None = None) -> Reply:
        """Send messages and return the reply; then change the connection."""
        reply = (by or self.client).ask(*sent)
        self.swap()
        return reply

    def run(self, name: str, *values: Value, by: WireClient | None = None) -> Reply:
        """Run a statement whose first column is pg_backend_pid(), which is noted."""
        reply = self.ask(bind(name, *values), execute(), SYNC, by=by)
        self.note(reply)
        return reply

    def prepare(self, name: str, text: str, by: WireClient | None = None) -> None:
        assert self.ask(parse(name, text), SYNC, by=by).kinds == "1Z"

    def note(self, reply: Reply) -> None:
        """Note the server processes that replied."""
        self.pids.update(row[0] for row in reply.rows)

    def note_server(self) -> None:
        """Note the server process of the present connection."""
        self.note(self.client.query("SELECT pg_backend_pid()"))

    def kept(self) -> list[Value]:
        """Return the texts that are prepared on the present connection."""
        reply = self.client.query("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in reply.rows]


def values(reply: Reply) -> list[Any]:
    """Return the values of the second column."""
    return [row[1] for row in reply.rows]
