"""Prepared statements of the protocol, alive across database connections.

Owns which statement a client means by a name, and which statements a database
connection has. Clients that prepare the same text with the same parameter types share
one statement, under a name of the proxy's own; a connection that lacks it when it is
needed gets a Parse of the proxy's, whose answer is swallowed. What a client itself
asks for is always asked of the server, so that every answer is the server's own.

A message that refers to a name which an earlier, unanswered batch may yet change has
to wait: ``Unsettled`` is raised.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from mypy_extensions import i64

from pinwatch.counters import TargetCounters
from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import NO_PARAMETERS
from pinwatch.relay.reply_tracker import Change, ReplyTracker
from pinwatch.relay.statements import Registry, Statement
from pinwatch.wire.messages import close_statement, parse

CLOSE_UNNAMED: Final = close_statement(b"")
OVERHEAD: Final = 512  # bytes of a kept statement beside its text and name


class Unsettled(Exception):
    """The message must wait until the batches before it are answered."""


class ServerStatements:
    """The shared statements of one database connection, at most limit of them.

    held is ordered by use, the least recent first. Its value is the number of the
    Change that prepares the statement, as far as that is due.
    """

    __slots__ = (
        "counters",
        "held",
        "latest",
        "limit",
        "replies",
        "unnamed",
        "unnamed_batch",
    )

    def __init__(
        self, limit: int, counters: TargetCounters, replies: ReplyTracker
    ) -> None:
        self.limit = limit
        self.counters = counters
        self.replies = replies
        self.held: OrderedDict[Statement, int] = OrderedDict()
        self.latest: Statement | None = None  # the last of held, if it is in there
        self.unnamed: object = None
        self.unnamed_batch: i64 = -1  # the batch that prepared it

    def use(self, statement: Statement) -> bool:
        """Make statement the most recently used one; False if it is not held."""
        held = self.held
        if statement not in held:
            return False
        if statement is not self.latest:
            held.move_to_end(statement)
            self.latest = statement
        return True

    def hold(self, statement: Statement, number: int = -1) -> None:
        """Note that the connection has statement, which is used now."""
        self.held[statement] = number
        self.held.move_to_end(statement)
        self.latest = statement

    def prepare(self, statement: Statement) -> bytes:
        """Return the messages that prepare statement, if the connection lacks it.

        Their answers are swallowed.
        """
        if self.use(statement):
            return b""
        self.counters.reparsed += 1
        room = self.make_room()
        self.add(statement, Added(self, statement, swallow=True))
        return room + parse(statement.name, statement.definition)

    def add(self, statement: Statement, change: "Added") -> None:
        """Count the Parse of statement, which is about to be sent."""
        self.replies.change(change)
        self.hold(statement, change.number)

    def make_room(self) -> bytes:
        """Return the messages that close statements until one more fits."""
        excess = len(self.held) + 1 - self.limit
        return b"".join([self.remove(next(iter(self.held))) for _ in range(excess)])

    def remove(self, statement: Statement) -> bytes:
        """Return the message that closes statement, if the connection has it."""
        if statement not in self.held:
            return b""
        del self.held[statement]
        self.replies.change(Removed(self, statement))
        return close_statement(statement.name)

    def forget(self, statement: Statement) -> None:
        """The server reported that it has no such statement."""
        self.held.pop(statement, None)

    def forget_all(self) -> None:
        """The server dropped all statements; those that are being prepared stay."""
        due = [item for item in self.held.items() if self.replies.is_due(item[1])]
        self.held = OrderedDict(due)
        self.latest = None


class Added(Change):
    """A Parse: until it is answered, statement counts as prepared."""

    __slots__ = ("server", "statement")

    def __init__(
        self, server: ServerStatements, statement: Statement, swallow: bool
    ) -> None:
        super().__init__(swallow)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.forget(self.statement)


class Removed(Change):
    """A Close of the proxy's own."""

    __slots__ = ("server", "statement")

    def __init__(self, server: ServerStatements, statement: Statement) -> None:
        super().__init__(swallow=True)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.hold(self.statement)


class Unnamed(Change):
    """A Parse or Close of the unnamed statement, of the proxy's own."""

    __slots__ = ("server",)

    def __init__(self, server: ServerStatements) -> None:
        super().__init__(swallow=True)
        self.server = server

    def undo(self) -> None:
        self.server.unnamed = None


class UnnamedByClient(Change):
    """A client's Parse or Close of its unnamed statement, in the middle of a batch.

    The server may skip it, because it is not the first in its batch. The statement
    before it then stays.
    """

    __slots__ = ("after", "before", "client", "server", "server_before", "verdict")
    unnamed = True

    def __init__(
        self,
        server: ServerStatements,
        client: "ClientStatements",
        after: object,
    ) -> None:
        super().__init__(swallow=False)
        self.server = server
        self.client = client
        self.server_before = server.unnamed
        self.before = client.unnamed
        self.verdict = client.unnamed_verdict
        self.after = after

    def undo(self) -> None:
        client, server = self.client, self.server
        if client.unnamed is self.after:
            client.unnamed, client.unnamed_verdict = self.before, self.verdict
        if server.unnamed is self.after:
            server.unnamed = self.server_before


class UnnamedByQuery(UnnamedByClient):
    """A Query in a batch, which drops the unnamed statement unless it is skipped."""

    __slots__ = ()
    answered = False


class Named(Added):
    """A client's Parse of a named statement."""

    __slots__ = ("client", "name")

    def __init__(
        self,
        server: ServerStatements,
        statement: Statement,
        client: "ClientStatements",
        name: bytes,
    ) -> None:
        super().__init__(server, statement, swallow=False)
        self.client = client
        self.name = name

    def undo(self) -> None:
        super().undo()
        self.client.drop(self.name)


class Refused(Change):
    """A client's Parse of a name that it already has: the server rejects it."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(swallow=False)

    def undo(self) -> None:
        pass


class Released(Change):
    """The client's name no longer stands for a shared statement.

    The client closed it, while the shared statement stays on the server. Or the proxy
    parsed its text under that very name.
    """

    __slots__ = ("client", "name", "statement")

    def __init__(
        self,
        client: "ClientStatements",
        name: bytes,
        statement: Statement,
        swallow: bool,
    ) -> None:
        super().__init__(swallow)
        self.client = client
        self.name = name
        self.statement = statement

    def undo(self) -> None:
        self.client.add(self.name, self.statement)


class ClientStatements:
    """The prepared statements of one client session, by the client's names.

    Each method returns how one message of the client changes, or None. It raises
    ``Unsettled`` before anything has changed.
    """

    __slots__ = (
        "kept_bytes",
        "named",
        "names",
        "registry",
        "server",
        "settings",
        "unnamed",
        "unnamed_verdict",
    )

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.server: ServerStatements | None = None  # of the borrowed connection
        self.settings = NO_PARAMETERS  # under which the client's SQL is read
        self.named: dict[bytes, Statement] = {}
        self.names: dict[bytes, bytes] = {}  # the keys of named, by statement's name
        self.kept_bytes: i64 = 0  # of named
        self.unnamed: object = None
        self.unnamed_verdict: Verdict | None = None

    def add(self, name: bytes, statement: Statement) -> None:
        self.drop(name)
        self.named[name] = statement
        self.names[statement.name] = name
        self.kept_bytes += kept_bytes(name, statement.definition)

    def drop(self, name: bytes) -> None:
        statement = self.named.pop(name, None)
        if statement is not None:
            del self.names[statement.name]
            self.kept_bytes -= kept_bytes(name, statement.definition)

    def verdict(self, name: bytes, named: Statement | None) -> Verdict | None:
        """Return the verdict on the statement name; named is that statement, if any."""
        if named is not None:
            return named.verdict
        return None if name or self.unnamed is None else self.unnamed_verdict

    def parse(
        self,
        name: bytes,
        definition: bytes,
        verdict: Verdict | None,
    ) -> tuple[bytes, bytes] | None:
        """Parse of a named statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        _wait_for_earlier_changes(replies)
        replies.batch()
        if not replies.counting:
            return None
        known = self.named.get(name)
        if known is not None:
            out = server.prepare(known)
            replies.change(Refused())
            return out, known.name
        statement = self.registry.statement(definition, self.settings)
        if statement.name in self.names:
            statement = self.registry.namesake(statement)
        statement.verdict = verdict
        out = server.remove(statement) + server.make_room()
        server.add(statement, Named(server, statement, self, name))
        self.add(name, statement)
        return out, statement.name

    def parse_unnamed(
        self,
        definition: object,
        verdict: Verdict | None,
    ) -> None:
        """Parse of the unnamed statement, which is sent as it is.

        definition may be any object if the statement is not to be kept.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not replies.in_request():
            replies.unnamed_parse()
        else:
            replies.batch()
            if not replies.counting:
                return
            replies.change(UnnamedByClient(server, self, definition))
        self.unnamed = server.unnamed = definition
        self.unnamed_verdict = verdict
        server.unnamed_batch = replies.batches

    def parse_unkept(self, name: bytes) -> tuple[bytes, bytes] | None:
        """Parse of a statement that is not kept.

        It is too long, and the session pinned; or its text does not end, and the
        server refuses it. It goes under the client's own name, unless that is taken.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self.parse_unnamed(object(), None)
            return None
        _wait_for_earlier_changes(replies)
        replies.plain()
        known = self.named.get(name)
        if known is None or not replies.counting:
            return None
        return server.prepare(known), known.name

    def refer(
        self,
        name: bytes,
        named: Statement | None,
    ) -> tuple[bytes, bytes] | None:
        """Bind to, or Describe of, the statement name: named, if there is one."""
        server = self.server
        assert server is not None
        replies = server.replies
        if named is None and not name:
            return self._refer_to_unnamed()
        _wait_for_earlier_changes(replies)
        replies.batch()
        if named is None or not replies.counting:
            return None
        return server.prepare(named), named.name

    def _refer_to_unnamed(self) -> tuple[bytes, bytes] | None:
        server = self.server
        assert server is not None
        replies = server.replies
        own = server.unnamed is self.unnamed and self.unnamed is not None
        if own and server.unnamed_batch == replies.batches:
            replies.batch()
            return None
        if replies.due and replies.in_doubt():
            raise Unsettled
        replies.batch()
        if own or not replies.counting:
            return None
        replies.change(Unnamed(server))
        server.unnamed = self.unnamed
        if self.unnamed is None:
            return CLOSE_UNNAMED, b""
        assert isinstance(self.unnamed, bytes)
        return parse(b"", self.unnamed), b""

    def close(self, name: bytes) -> tuple[bytes, bytes] | None:
        """Close of the statement name."""
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self._close_unnamed()
            return None
        _wait_for_earlier_changes(replies)
        statement = self.named.get(name)
        if statement is None or not replies.counting:
            replies.plain()
            return None
        replies.batch()
        self.drop(name)
        replies.change(Released(self, name, statement, swallow=False))
        return b"", self.registry.nowhere

    def _close_unnamed(self) -> None:
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.counting and replies.in_request():
            replies.batch()
            replies.change(UnnamedByClient(server, self, None))
        else:
            replies.plain()
        if replies.counting:
            self.unnamed = server.unnamed = None

    def release(self, names: Iterable[bytes], hidden: bool) -> bytes:
        """What to send so that SQL can call statements by the client's names.

        For a session that is pinned. hidden says that the messages go as a batch of
        the proxy's own, whose replies are not counted one by one.
        """
        out: list[bytes] = []
        for name in names:
            statement = self.named.get(name)
            if statement is not None:
                self.drop(name)
                out.append(parse(name, statement.definition))
                if not hidden:
                    assert self.server is not None
                    self.server.replies.change(
                        Released(self, name, statement, swallow=True)
                    )
        return b"".join(out)

    def queried(self) -> None:
        """A Query is about to be sent: the server drops the unnamed statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.in_request():
            if not replies.counting:
                return
            replies.change(UnnamedByQuery(server, self, None))
        self.unnamed = server.unnamed = None

    def forget_all(self) -> None:
        """The server dropped all statements; those that are being prepared stay."""
        server = self.server
        assert server is not None
        changes = server.replies.changes
        due = [change for change in changes if isinstance(change, Named)]
        self.named = {}
        self.names = {}
        self.kept_bytes = 0
        for change in due:
            self.add(change.name, change.statement)

    def own_name(self, name: bytes) -> bytes:
        """Return the client's name for a name of the registry's, for error texts."""
        return self.names.get(name, name)


def kept_bytes(name: bytes, definition: bytes) -> i64:
    """Return the memory of one kept statement, about."""
    return len(name) + len(definition) + OVERHEAD


def _wait_for_earlier_changes(replies: ReplyTracker) -> None:
    if replies.in_doubt():
        raise Unsettled
