"""Prepared statements of the protocol, alive across database connections.

Owns which statement a client means by a name, and which statements a database
connection has. Clients that prepare the same text with the same parameter types share
one statement, under a name of the proxy's own; a connection that lacks it when it is
needed gets a Parse of the proxy's, whose answer is swallowed. What a client itself
asks for is always asked of the server, so that every answer is the server's own.

A message that refers to a name which an earlier, unanswered batch may yet change has
to wait: ``Unsettled`` is raised.
"""

from collections.abc import Iterable
from typing import Final

from mypy_extensions import i64

from pinwatch.counters import TargetCounters
from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import NO_PARAMETERS
from pinwatch.relay.reply_queue import Change
from pinwatch.relay.reply_tracker import ReplyTracker
from pinwatch.relay.statements import Registry, Statement
from pinwatch.wire.messages import close_statement, parse

CLOSE_UNNAMED: Final = close_statement(b"")


class Unsettled(Exception):
    """The message must wait until the batches before it are answered."""


class ServerStatements:
    """What is prepared on one database connection; at most limit, oldest use first."""

    __slots__ = (
        "counters",
        "held",
        "latest",
        "limit",
        "replies",
        "unnamed",
        "unnamed_segment",
    )

    def __init__(
        self, limit: int, counters: TargetCounters, replies: ReplyTracker
    ) -> None:
        self.limit = limit
        self.counters = counters
        self.replies = replies
        self.held: dict[Statement, None] = {}
        self.latest: Statement | None = None  # at the end of held, if it is there
        self.unnamed: object = None
        self.unnamed_segment: i64 = -1

    def use(self, statement: Statement) -> bool:
        """Whether the connection has statement; now the one used last if so."""
        held = self.held
        if statement not in held:
            return False
        if statement is not self.latest:
            self.hold(statement)
        return True

    def hold(self, statement: Statement) -> None:
        """The connection has statement, as the one used last."""
        self.held.pop(statement, None)
        self.held[statement] = None
        self.latest = statement

    def prepare(self, statement: Statement) -> bytes:
        """What to send so that the connection has statement; answers are swallowed."""
        if self.use(statement):
            return b""
        self.counters.reparsed += 1
        room = self.make_room()
        self.hold(statement)
        self.replies.change(Added(self, statement, swallow=True))
        return room + parse(statement.name, statement.definition)

    def make_room(self) -> bytes:
        """What to send so that one more statement fits."""
        out = b""
        while len(self.held) >= self.limit:
            out += self.remove(next(iter(self.held)))
        return out

    def remove(self, statement: Statement) -> bytes:
        """What to send so that the connection lacks statement."""
        if statement not in self.held:
            return b""
        del self.held[statement]
        self.replies.change(Removed(self, statement))
        return close_statement(statement.name)

    def forget(self, name: bytes) -> None:
        """The server says that it has no statement of this name."""
        for statement in list(self.held):
            if statement.name == name:
                del self.held[statement]

    def forget_all(self) -> None:
        """The server dropped all; what is being prepared since then stays."""
        self.held.clear()
        for entry in self.replies.due:
            if isinstance(entry, Added):
                self.hold(entry.statement)


class Added(Change):
    """A Parse: until it is answered, statement is taken to be on the connection."""

    __slots__ = ("server", "statement")

    def __init__(
        self, server: ServerStatements, statement: Statement, swallow: bool
    ) -> None:
        super().__init__(swallow)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.held.pop(self.statement, None)


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

    Not the first in its batch: it may be skipped, and the one before then stays.
    """

    __slots__ = ("after", "before", "client", "server", "server_before", "verdict")
    unnamed = True

    def __init__(
        self, server: ServerStatements, client: "ClientStatements", after: object
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
        self.client.named.pop(self.name, None)


class Refused(Change):
    """A client's Parse of a name that it already has: the server will say so."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(swallow=False)

    def undo(self) -> None:
        pass


class Released(Change):
    """The client's name is no longer the proxy's to put in the server's words.

    By the client's own Close, where the shared statement stays on the server; or by
    the proxy's Parse under that very name.
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
        self.client.named[self.name] = self.statement


class ClientStatements:
    """What one client session has prepared, by its own names.

    Each method tells what to send for one message of the client: None, the message as
    it is; or what goes before it, and the name that takes the client's place in it.
    ``Unsettled`` is raised before anything has changed.
    """

    __slots__ = (
        "named",
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
        self.unnamed: object = None
        self.unnamed_verdict: Verdict | None = None

    def verdict(self, name: bytes, named: Statement | None) -> Verdict | None:
        """On the statement name, named if it has a name, where there is a verdict."""
        if named is not None:
            return named.verdict
        return None if name or self.unnamed is None else self.unnamed_verdict

    def text(self, name: bytes, named: Statement | None) -> bytes:
        """The SQL of the statement name; empty if it is unknown or was not kept."""
        definition: object = b"" if name else self.unnamed
        if named is not None:
            definition = named.definition
        return definition.split(b"\0", 1)[0] if isinstance(definition, bytes) else b""

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
        if statement in self.named.values():
            statement = self.registry.namesake(statement)
        statement.verdict = verdict
        out = server.remove(statement) + server.make_room()
        server.hold(statement)
        self.named[name] = statement
        replies.change(Named(server, statement, self, name))
        return out, statement.name

    def parse_unnamed(
        self,
        definition: object,
        verdict: Verdict | None,
    ) -> None:
        """Parse of the unnamed statement, which goes as it is.

        definition may be any object where the statement is not to be kept.
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
        server.unnamed_segment = replies.segment

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
        if own and server.unnamed_segment == replies.segment:
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
        del self.named[name]
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
        out = b""
        for name in names:
            statement = self.named.pop(name, None)
            if statement is not None:
                out += parse(name, statement.definition)
                if not hidden:
                    assert self.server is not None
                    self.server.replies.change(
                        Released(self, name, statement, swallow=True)
                    )
        return out

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
        """The server dropped all; what is being prepared since then stays."""
        server = self.server
        assert server is not None
        replies = server.replies
        self.named.clear()
        for entry in replies.due:
            if isinstance(entry, Named):
                self.named[entry.name] = entry.statement

    def own_name(self, name: bytes) -> bytes:
        """The client's word for a name of the registry's; for error texts."""
        for own, statement in self.named.items():
            if statement.name == name:
                return own
        return name


def _wait_for_earlier_changes(replies: ReplyTracker) -> None:
    open_questions = replies.changes or replies.needs_fence or replies.barrier >= 0
    if open_questions and replies.in_doubt():
        raise Unsettled
